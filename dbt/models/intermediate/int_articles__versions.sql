{{ config(indexes=[
    {'columns': ['article_id', 'version_no'], 'unique': true},
    {'columns': ['valid_from']},
]) }}

with articles as (

    select * from {{ ref('stg_raw__articles') }}

),

as_first_seen as (

    select
        *,
        first_value(published_at) over (
            partition by article_id
            order by (published_at is null), version_no
        ) as first_published_at

    from articles

),

dated as (

    select
        *,
        -- The first version was public from the day it was published, a later one only from when we saw it.
        case
            when version_no = 1 then least(first_published_at, fetched_at)
            else fetched_at
        end as valid_from

    from as_first_seen

)

select
    article_id,
    version_no,
    source,
    source_article_id,
    content_hash,
    title,
    body,
    section,
    author_key,
    first_published_at as published_at,
    url,
    crawl_id,
    fetched_at,
    valid_from,
    lead(valid_from) over (partition by article_id order by version_no) as valid_to

from dated
