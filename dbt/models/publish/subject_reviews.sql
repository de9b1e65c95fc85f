{{ config(indexes=[{'columns': ['source', 'subject_id', 'month_start_on']}]) }}

with picks as (

    select * from {{ ref('stg_predictions__sentiment_picks') }}

),

said as (

    select * from {{ ref('review_sentiment') }}

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
    said.predicted_label,
    said.positive_probability,
    said.estimated_stars,
    said.unsure_because,
    said.event_at,
    model_version,
    picks.picked_at

from picks

inner join said using (review_id, content_hash, model_version)

inner join reviews using (review_id, content_hash)
