with registered as (

    select * from {{ ref('stg_ops__sources') }}

),

crawls as (

    select * from {{ ref('stg_ops__crawls') }}

),

newest_crawl as (

    select distinct on (source) *

    from crawls

    order by source, crawl_id desc

),

landed as (

    select
        source,
        sum(landed)::bigint as landed_rows

    from crawls

    group by source

),

reviews as (

    select
        source,
        count(*) as reviews

    from {{ ref('fct_reviews') }}

    group by source

),

articles as (

    select
        source,
        count(*) as articles

    from {{ ref('fct_articles') }}

    group by source

),

-- What was crawled under a name that no file bears any longer is still somebody's.
named as (

    select source from registered

    union

    select source from crawls

    union

    select source from reviews

    union

    select source from articles

)

select
    named.source,
    registered.kind,
    registered.owner,
    registered.licence,
    registered.terms_url,
    registered.terms_checked_by,
    registered.terms_checked_on,
    registered.terms_checked_on is not null as is_verified,
    newest_crawl.started_at as last_crawl_at,
    newest_crawl.outcome as last_outcome,
    newest_crawl.robots_verdict as last_robots_verdict,
    coalesce(landed.landed_rows, 0) as landed_rows,
    coalesce(reviews.reviews, 0) as reviews,
    coalesce(articles.articles, 0) as articles

from named

left join registered using (source)

left join newest_crawl using (source)

left join landed using (source)

left join reviews using (source)

left join articles using (source)
