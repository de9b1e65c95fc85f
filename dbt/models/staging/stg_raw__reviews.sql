with reviews as (

    select * from {{ source('raw', 'reviews') }}

)

select
    source || ':' || source_review_id as review_id,
    source,
    source_review_id,
    version_no,
    content_hash,
    subject_id,
    subject_name,
    author_key,
    rating,
    rating_max,
    title,
    body,
    written_at,
    written_at_precision,
    url,
    crawl_id,
    fetched_at

from reviews
