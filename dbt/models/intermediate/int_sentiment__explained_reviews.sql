{{ config(tags=['publish']) }}

with reviews as (

    select
        *,
        date_trunc('month', event_at at time zone '{{ var("timezone") }}')::date as month_start_on

    from {{ ref('review_sentiment') }}

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

)

select
    review_id,
    reviews.month_start_on,
    reviews.source,
    reviews.subject_id,
    model_version,
    explanations.terms,
    explanations.term_contributions,
    explanations.aspects

from reviews

inner join explanations using (review_id, content_hash, model_version)
