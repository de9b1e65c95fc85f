{{ config(tags=['publish', 'topics']) }}

with topic_terms as (

    select * from {{ source('predictions', 'topic_terms') }}

)

select
    model,
    model_version,
    topic_no,
    term,
    probability,
    overall_probability

from topic_terms
