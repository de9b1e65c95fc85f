{{ config(tags=['sentiment'], indexes=[
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

by_version_in_charge as (

    select distinct on (review_id, content_hash) predictions.*

    from predictions

    inner join {{ ref('int_sentiment__versions_in_charge') }} as in_charge
        on predictions.model_version = in_charge.model_version
        and predictions.event_at >= in_charge.since
        and predictions.event_at < in_charge.until

    order by review_id, content_hash, scored_at desc, event_at desc

)

select
    reviews.review_id,
    reviews.source,
    reviews.subject_id,
    reviews.subject_name,
    by_version_in_charge.model_version,
    by_version_in_charge.label as predicted_label,
    by_version_in_charge.positive_probability,
    by_version_in_charge.estimated_stars,
    by_version_in_charge.unsure_because,
    reviews.sentiment_label,
    reviews.stars,
    by_version_in_charge.purpose,
    by_version_in_charge.event_at,
    by_version_in_charge.scored_at,
    reviews.content_hash

from reviews

inner join by_version_in_charge using (review_id, content_hash)
