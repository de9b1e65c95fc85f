with articles as (

    select * from {{ source('raw', 'articles') }}

)

select
    source || ':' || source_article_id as article_id,
    source,
    source_article_id,
    version_no,
    content_hash,
    title,
    body,
    section,
    author_key,
    published_at,
    url,
    crawl_id,
    fetched_at

from articles
