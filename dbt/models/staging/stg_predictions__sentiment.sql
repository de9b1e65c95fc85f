with predictions as (

    select * from {{ source('predictions', 'sentiment') }}

)

select
    review_id,
    content_hash,
    model_version,
    positive_probability,
    label,
    estimated_stars,
    unsure_because,
    event_at,
    scored_at,
    purpose

from predictions
