{{ config(tags=['topics'], indexes=[{'columns': ['collection', 'every', 'period_start_on', 'topic_id']}]) }}

with shares as (

    select * from {{ ref('stg_predictions__topic_shares') }}

),

live as (

    select distinct collection, model, model_version from {{ ref('int_topics__live') }}

)

select
    concat_ws(
        ' ', live.collection, shares.every, shares.period_start_on, shares.counts_copies, coalesce(topics.topic_id, 0),
        coalesce(to_json(shares.source)::text, '*'), coalesce(to_json(shares.section)::text, '*'),
        coalesce(to_json(shares.subject_id)::text, '*')
    ) as period_slice_topic_key,
    live.collection,
    shares.every,
    shares.period_start_on,
    shares.is_complete,
    shares.source,
    shares.section,
    shares.subject_id,
    shares.counts_copies,
    shares.texts,
    topics.topic_id,
    topics.label,
    shares.topic_texts,
    shares.share,
    shares.low as share_low,
    shares.high as share_high,
    shares.mean_weight,
    shares.trend,
    shares.trend_p_value,
    shares.trend_periods::integer as trend_periods,
    shares.note,
    shares.model_version

from shares

inner join live using (model, model_version)

left join {{ ref('int_topics__live') }} as topics using (model, model_version, topic_no)
