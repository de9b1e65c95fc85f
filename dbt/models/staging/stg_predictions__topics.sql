{{ config(tags=['publish', 'topics']) }}

with topics as (

    select * from {{ source('predictions', 'topics') }}

)

select
    model,
    record_id,
    content_hash,
    model_version,
    main_topic,
    weights,
    terms,
    known_terms,
    event_at,
    scored_at,
    purpose

from topics
