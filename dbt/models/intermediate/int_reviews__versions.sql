{{ config(indexes=[
    {'columns': ['review_id', 'version_no'], 'unique': true},
    {'columns': ['valid_from']},
]) }}

with reviews as (

    select * from {{ ref('stg_raw__reviews') }}

),

as_first_seen as (

    select
        *,
        -- A site may show another date later, such as "2 weeks ago": the first one given stays.
        first_value(written_at) over first_dated as first_written_at,
        first_value(written_at_precision) over first_dated as first_written_at_precision

    from reviews

    window first_dated as (partition by review_id order by (written_at is null), version_no)

),

dated as (

    select
        *,
        -- The first version was public from the day it was written, a later one only from when we saw it.
        case
            when version_no = 1 then least(first_written_at, fetched_at)
            else fetched_at
        end as valid_from

    from as_first_seen

)

select
    review_id,
    version_no,
    source,
    source_review_id,
    content_hash,
    subject_id,
    subject_name,
    author_key,
    rating,
    rating_max,
    {{ stars('rating', 'rating_max') }} as stars,
    {{ sentiment_label('rating', 'rating_max') }} as sentiment_label,
    title,
    body,
    first_written_at as written_at,
    first_written_at_precision as written_at_precision,
    url,
    crawl_id,
    fetched_at,
    valid_from,
    lead(valid_from) over (partition by review_id order by version_no) as valid_to

from dated
