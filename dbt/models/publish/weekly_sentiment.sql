{{ config(tags=['sentiment'], indexes=[{'columns': ['source', 'subject_id', 'week_start_on'], 'unique': true}]) }}

with reviews as (

    select
        *,
        date_trunc('week', event_at at time zone '{{ var("timezone") }}')::date as week_start_on

    from {{ ref('review_sentiment') }}

)

select
    week_start_on || ' ' || source || ':' || subject_id as week_subject_key,
    week_start_on,
    source,
    subject_id,
    max(subject_name) as subject_name,
    count(*) as reviews,
    count(*) filter (where predicted_label = 'positive') as predicted_positive_reviews,
    count(*) filter (where predicted_label = 'negative') as predicted_negative_reviews,
    count(*) filter (where predicted_label = 'unsure') as predicted_unsure_reviews,
    count(stars) as rated_reviews,
    count(*) filter (where sentiment_label = 'positive') as positive_reviews,
    count(*) filter (where sentiment_label = 'negative') as negative_reviews,
    round(avg(stars), 2) as mean_stars,
    round(avg(estimated_stars)::numeric, 2) as mean_estimated_stars

from reviews

group by week_start_on, source, subject_id
