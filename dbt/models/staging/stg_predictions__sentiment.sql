with predictions as (

    select * from {{ source('predictions', 'sentiment') }}

)

select
    review_id,
    content_hash,
    model_version,
    positive_probability,
    label,
    event_at,
    scored_at,
    purpose

from predictions
