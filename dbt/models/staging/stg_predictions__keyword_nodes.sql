{{ config(tags=['publish', 'keywords']) }}

with keyword_nodes as (

    select * from {{ source('predictions', 'keyword_nodes') }}

)

select
    mining_id,
    term,
    rank,
    texts,
    texts_before,
    community,
    is_new

from keyword_nodes
