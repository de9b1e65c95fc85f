{{ config(tags=['sentiment'], indexes=[{'columns': ['source', 'subject_id', 'month_start_on']}]) }}

with picks as (

    select * from {{ ref('stg_predictions__sentiment_picks') }}

),

-- By the version that picked it, which need not be the one in charge when it was written.
said as (

    select distinct on (review_id, content_hash, model_version) predictions.*

    from {{ ref('stg_predictions__sentiment') }} as predictions

    where (review_id, content_hash, model_version) in (select review_id, content_hash, model_version from picks)

    order by review_id, content_hash, model_version, event_at desc

),

reviews as (

    select * from {{ ref('fct_reviews') }}

)

select
    picks.month_start_on || ' ' || picks.kind || ' ' || picks.rank || ' ' || picks.source || ':' || picks.subject_id
    as pick_key,
    picks.month_start_on,
    picks.source,
    picks.subject_id,
    reviews.subject_name,
    picks.kind,
    picks.rank,
    review_id,
    content_hash,
    reviews.title,
    reviews.body,
    reviews.stars,
    reviews.sentiment_label,
    said.label as predicted_label,
    said.positive_probability,
    said.estimated_stars,
    said.unsure_because,
    said.event_at,
    model_version,
    picks.picked_at

from picks

inner join said using (review_id, content_hash, model_version)

inner join reviews using (review_id, content_hash)
