{{ config(tags=['publish', 'keywords']) }}

with keyword_pairs as (

    select * from {{ source('predictions', 'keyword_pairs') }}

)

select
    mining_id,
    term,
    other_term,
    rank,
    texts,
    term_texts,
    other_texts,
    lift,
    p_value,
    holm_p_value,
    is_new

from keyword_pairs
