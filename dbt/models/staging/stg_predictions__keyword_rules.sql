{{ config(tags=['publish', 'keywords']) }}

with keyword_rules as (

    select * from {{ source('predictions', 'keyword_rules') }}

)

select
    mining_id,
    antecedent,
    consequent,
    rank,
    texts,
    antecedent_texts,
    consequent_texts,
    support,
    confidence,
    lift,
    p_value,
    holm_p_value

from keyword_rules
