{{ config(tags=['publish', 'sentiment']) }}

with reviews as (

    select
        *,
        date_trunc('month', event_at at time zone '{{ var("timezone") }}')::date as month_start_on

    from {{ ref('review_sentiment') }}

),

month_starts as (

    select distinct
        month_start_on,
        (month_start_on + interval '1 month') at time zone '{{ var("timezone") }}' as ended_at

    from reviews

),

months as (

    select
        month_starts.month_start_on,
        in_charge.model_version

    from month_starts

    inner join {{ ref('int_sentiment__versions_in_charge') }} as in_charge
        on month_starts.ended_at > in_charge.since
        and month_starts.ended_at <= in_charge.until

),

explanations as (

    select
        review_id,
        content_hash,
        model_version,
        terms,
        term_contributions,
        aspects

    from {{ ref('stg_predictions__sentiment_explanations') }}

),

-- One version tells a month and the one before: what differs then is what was said, not who read it.
told as (

    select
        review_id,
        reviews.month_start_on,
        reviews.source,
        reviews.subject_id,
        explanations.model_version,
        coalesce(explanations.model_version = months.model_version, false) as counts_for_month,
        coalesce(explanations.model_version = next_months.model_version, false) as counts_for_next_month,
        explanations.terms,
        explanations.term_contributions,
        explanations.aspects

    from reviews

    inner join explanations using (review_id, content_hash)

    left join months on reviews.month_start_on = months.month_start_on

    left join months as next_months
        on reviews.month_start_on = (next_months.month_start_on - interval '1 month')::date

)

select * from told

where counts_for_month or counts_for_next_month
