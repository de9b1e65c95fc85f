{{ config(indexes=[
    {'columns': ['article_id'], 'unique': true},
    {'columns': ['published_at']},
]) }}

with versions as (

    select * from {{ ref('int_articles__versions') }}

),

newest as (

    select distinct on (article_id) *

    from versions

    order by article_id, version_no desc

)

select
    article_id,
    source,
    title,
    body,
    section,
    author_key,
    published_at,
    content_hash,
    version_no,
    url,
    crawl_id,
    fetched_at

from newest
