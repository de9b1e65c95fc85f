{{ config(tags=['publish', 'sentiment']) }}

with picks as (

    select * from {{ source('predictions', 'sentiment_picks') }}

)

select
    month_start_on,
    source,
    subject_id,
    kind,
    rank,
    review_id,
    content_hash,
    model_version,
    picked_at

from picks
