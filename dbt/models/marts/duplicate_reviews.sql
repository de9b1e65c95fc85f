with duplicates as (

    select *

    from {{ ref('stg_ops__duplicates') }}

    where kind = 'review'

)

select
    copy_id as review_id,
    source,
    original_id as original_review_id,
    original_source,
    similarity,
    is_exact,
    marked_at

from duplicates
