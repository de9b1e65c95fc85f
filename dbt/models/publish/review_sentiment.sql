{{ config(indexes=[
    {'columns': ['review_id'], 'unique': true},
    {'columns': ['event_at']},
]) }}

with reviews as (

    select * from {{ ref('fct_reviews') }}

),

predictions as (

    select *

    from {{ ref('stg_predictions__sentiment') }}

    where purpose <> 'shadow'

),

deployments as (

    select *

    from {{ ref('stg_ops__deployments') }}

    where model = 'sentiment'

),

live_at_event as (

    -- Of the versions whose effect had begun, the one released last was live.
    select distinct on (predictions.review_id, predictions.content_hash, predictions.event_at)
        predictions.review_id,
        predictions.content_hash,
        predictions.event_at,
        deployments.model_version

    from predictions

    inner join deployments on predictions.event_at >= deployments.effective_from

    order by
        predictions.review_id,
        predictions.content_hash,
        predictions.event_at,
        deployments.live_from desc,
        deployments.deployment_id desc

),

by_live_version as (

    select distinct on (review_id, content_hash) *

    from predictions

    inner join live_at_event using (review_id, content_hash, event_at, model_version)

    order by review_id, content_hash, scored_at desc, event_at desc

)

select
    reviews.review_id,
    reviews.source,
    reviews.subject_id,
    reviews.subject_name,
    by_live_version.model_version,
    by_live_version.label as predicted_label,
    by_live_version.positive_probability,
    by_live_version.estimated_stars,
    by_live_version.unsure_because,
    reviews.sentiment_label,
    reviews.stars,
    by_live_version.event_at,
    by_live_version.scored_at,
    reviews.content_hash

from reviews

inner join by_live_version using (review_id, content_hash)
