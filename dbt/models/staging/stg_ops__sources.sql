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
    terms_checked_on

from sources
