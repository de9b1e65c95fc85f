{{ config(tags=['topics'], indexes=[{'columns': ['collection', 'topic_id'], 'unique': true}]) }}

with topics as (

    select * from {{ ref('int_topics__live') }}

)

select
    collection || ' ' || topic_id as collection_topic_key,
    collection,
    topic_id,
    label,
    is_named,
    fate,
    terms,
    training_share,
    coherence,
    stability,
    is_stable,
    map_x,
    map_y,
    model_version,
    topic_no

from topics
