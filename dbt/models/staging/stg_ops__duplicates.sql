with duplicates as (

    select * from {{ source('ops', 'duplicates') }}

)

select
    kind,
    source || ':' || record_id as copy_id,
    source,
    original_source || ':' || original_record_id as original_id,
    original_source,
    similarity,
    is_exact,
    crawl_id,
    marked_at

from duplicates
