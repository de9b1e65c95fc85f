with crawls as (

    select * from {{ source('ops', 'crawls') }}

)

select
    crawl_id,
    source,
    started_at,
    finished_at,
    outcome,
    landed,
    robots_verdict

from crawls
