{{ config(tags=['publish', 'sentiment']) }}

with explanations as (

    select * from {{ source('predictions', 'sentiment_explanations') }}

)

select
    review_id,
    content_hash,
    model_version,
    event_at,
    explained_at,
    base_score,
    score,
    terms,
    term_contributions,
    aspects

from explanations
