{{ config(tags=['topics'], indexes=[
    {'columns': ['article_id', 'rank'], 'unique': true},
    {'columns': ['topic_id', 'published_at']},
]) }}

with texts as (

    select * from {{ ref('fct_articles') }}

),

copies as (

    select * from {{ ref('stg_ops__duplicates') }} where kind = 'article'

),

scored as (

    select * from {{ ref('stg_predictions__topics') }} where model = 'topics' and main_topic is not null

),

weighted as (

    select
        scored.record_id,
        scored.content_hash,
        scored.model_version,
        scored.main_topic,
        scored.terms,
        scored.known_terms,
        scored.purpose,
        scored.scored_at,
        (said.place - 1)::integer as topic_no,
        said.weight

    from scored

    cross join lateral unnest(scored.weights) with ordinality as said (weight, place)

    where said.weight >= 0.05 or said.place - 1 = scored.main_topic

)

select
    texts.article_id || ' ' || topics.topic_id as article_topic_key,
    texts.article_id,
    coalesce(copies.original_id, texts.article_id) as original_article_id,
    texts.source,
    texts.section,
    texts.published_at,
    topics.topic_id,
    topics.label,
    row_number() over (
        partition by texts.article_id order by weighted.topic_no = weighted.main_topic desc, weighted.weight desc, topics.topic_id
    )::integer as rank,
    weighted.weight,
    weighted.topic_no = weighted.main_topic as is_main,
    weighted.terms,
    weighted.known_terms,
    weighted.model_version,
    weighted.purpose,
    weighted.scored_at,
    texts.content_hash

from weighted

inner join texts
    on weighted.record_id = texts.article_id
    and weighted.content_hash = texts.content_hash

inner join {{ ref('int_topics__live') }} as topics
    on topics.model = 'topics'
    and weighted.model_version = topics.model_version
    and weighted.topic_no = topics.topic_no

left join copies on texts.article_id = copies.copy_id
