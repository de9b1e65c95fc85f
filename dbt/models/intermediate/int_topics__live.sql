{{ config(tags=['publish', 'topics'], indexes=[{'columns': ['model', 'topic_no'], 'unique': true}]) }}

with live as (

    select *

    from {{ ref('stg_ops__deployments') }}

    where model in ('topics', 'review_topics') and live_to is null

),

-- Who a topic is was decided when the version was approved; how it looks is on the version's card.
identities as (

    select
        live.model,
        live.model_version,
        live.effective_from,
        (topic ->> 'topic_no')::integer as topic_no,
        (topic ->> 'topic_id')::integer as topic_id,
        topic ->> 'label' as label,
        coalesce((topic ->> 'is_named')::boolean, false) as is_named,
        topic ->> 'fate' as fate

    from live

    cross join lateral jsonb_array_elements(live.evidence -> 'topics') as topic

),

looks as (

    select
        model_versions.model,
        model_versions.model_version,
        (topic ->> 'topic_no')::integer as topic_no,
        array(select jsonb_array_elements_text(topic -> 'terms')) as terms,
        (topic ->> 'share')::double precision as training_share,
        (topic ->> 'coherence')::double precision as coherence,
        (topic ->> 'stability')::double precision as stability,
        (topic ->> 'is_stable')::boolean as is_stable,
        (topic ->> 'x')::double precision as map_x,
        (topic ->> 'y')::double precision as map_y

    from {{ ref('stg_ops__model_versions') }} as model_versions

    cross join lateral jsonb_array_elements(model_versions.topics) as topic

    where model_versions.model in ('topics', 'review_topics')

)

select
    case identities.model when 'topics' then 'articles' else 'reviews' end as collection,
    identities.model,
    identities.model_version,
    identities.effective_from,
    identities.topic_no,
    identities.topic_id,
    identities.label,
    identities.is_named,
    identities.fate,
    looks.terms,
    looks.training_share,
    looks.coherence,
    looks.stability,
    looks.is_stable,
    looks.map_x,
    looks.map_y

from identities

inner join looks using (model, model_version, topic_no)
