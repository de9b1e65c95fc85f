{{ config(tags=['topics'], indexes=[{'columns': ['collection', 'topic_id', 'rank'], 'unique': true}, {'columns': ['term']}]) }}

with terms as (

    select * from {{ ref('stg_predictions__topic_terms') }}

),

told as (

    select
        topics.collection,
        topics.topic_id,
        topics.label,
        topics.model_version,
        terms.term,
        terms.probability,
        terms.overall_probability,
        terms.probability / terms.overall_probability as lift,
        -- Sievert and Shirley (2014): frequency in the topic against how much more often than elsewhere.
        0.6 * ln(terms.probability) + 0.4 * ln(terms.probability / terms.overall_probability) as relevance

    from terms

    inner join {{ ref('int_topics__live') }} as topics using (model, model_version, topic_no)

    where terms.probability > 0

)

select
    collection || ' ' || topic_id || ' ' || term as collection_topic_term_key,
    collection,
    topic_id,
    label,
    row_number() over (partition by collection, topic_id order by relevance desc, term)::integer as rank,
    term,
    probability,
    overall_probability,
    lift,
    relevance,
    model_version

from told
