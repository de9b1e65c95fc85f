with sources as (

    select * from {{ source('ops', 'sources') }}

)

select
    source,
    kind,
    owner,
    licence,
    terms_url,
    terms_checked_by,
    terms_checked_on,
    subjects_are

from sources
