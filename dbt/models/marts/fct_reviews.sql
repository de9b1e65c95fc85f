{{ config(indexes=[
    {'columns': ['review_id'], 'unique': true},
    {'columns': ['written_at']},
]) }}

with versions as (

    select * from {{ ref('int_reviews__versions') }}

),

newest as (

    select distinct on (review_id) *

    from versions

    order by review_id, version_no desc

)

select
    review_id,
    source,
    subject_id,
    subject_name,
    author_key,
    rating,
    rating_max,
    stars,
    sentiment_label,
    title,
    body,
    written_at,
    written_at_precision,
    content_hash,
    version_no,
    url,
    crawl_id,
    fetched_at

from newest
