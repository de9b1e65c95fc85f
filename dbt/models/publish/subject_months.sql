{{ config(tags=['sentiment'], indexes=[{'columns': ['source', 'subject_id', 'month_start_on'], 'unique': true}]) }}

with reviews as (

    select
        *,
        date_trunc('month', event_at at time zone '{{ var("timezone") }}')::date as month_start_on

    from {{ ref('review_sentiment') }}

),

scored as (

    select
        month_start_on,
        source,
        subject_id,
        max(subject_name) as subject_name,
        count(*) as reviews,
        count(*) filter (where predicted_label = 'positive') as predicted_positive_reviews,
        count(*) filter (where predicted_label = 'negative') as predicted_negative_reviews,
        count(*) filter (where predicted_label = 'unsure') as predicted_unsure_reviews,
        (avg((predicted_label = 'positive')::integer) filter (where predicted_label <> 'unsure'))::double precision
        as positive_share,
        count(stars) as rated_reviews,
        round(avg(stars), 2) as mean_stars,
        round(avg(estimated_stars)::numeric, 2) as mean_estimated_stars

    from reviews

    group by month_start_on, source, subject_id

),

explained as (

    select
        month_start_on,
        source,
        subject_id,
        count(*) filter (where counts_for_month) as explained_reviews,
        nullif(count(*) filter (where counts_for_next_month), 0) as explained_reviews_for_next,
        min(model_version) filter (where counts_for_month) as explained_by_version

    from {{ ref('int_sentiment__explained_reviews') }}

    group by month_start_on, source, subject_id

),

explained_before as (

    select
        (month_start_on + interval '1 month')::date as month_start_on,
        source,
        subject_id,
        explained_reviews_for_next as explained_reviews_before

    from explained

)

select
    scored.month_start_on || ' ' || source || ':' || subject_id as month_subject_key,
    month_start_on,
    source,
    subject_id,
    scored.subject_name,
    scored.reviews,
    scored.predicted_positive_reviews,
    scored.predicted_negative_reviews,
    scored.predicted_unsure_reviews,
    scored.positive_share,
    {{ wilson_low('scored.positive_share', '(scored.reviews - scored.predicted_unsure_reviews)') }} as positive_share_low,
    {{ wilson_high('scored.positive_share', '(scored.reviews - scored.predicted_unsure_reviews)') }} as positive_share_high,
    scored.rated_reviews,
    scored.mean_stars,
    scored.mean_estimated_stars,
    -- The clock may be a past day's: what came later tells that a source was read beyond the month's end.
    month_start_on < max(month_start_on) over (partition by source) as is_complete,
    coalesce(explained.explained_reviews, 0) as explained_reviews,
    explained_before.explained_reviews_before,
    explained.explained_by_version

from scored

left join explained using (month_start_on, source, subject_id)

left join explained_before using (month_start_on, source, subject_id)
