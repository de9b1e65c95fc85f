{{ config(indexes=[
    {'columns': ['article_id'], 'unique': true},
    {'columns': ['published_at']},
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

newest as (

    select distinct on (article_id) *

    from as_first_seen

    order by article_id, version_no desc

)

select
    article_id,
    source,
    title,
    body,
    section,
    author_key,
    first_published_at as published_at,
    content_hash,
    version_no,
    url,
    crawl_id,
    fetched_at

from newest
