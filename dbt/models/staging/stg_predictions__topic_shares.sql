{{ config(tags=['publish', 'topics']) }}

with topic_shares as (

    select * from {{ source('predictions', 'topic_shares') }}

)

select
    model,
    model_version,
    every,
    period_start_on,
    is_complete,
    source,
    section,
    subject_id,
    counts_copies,
    texts,
    topic_no,
    topic_texts,
    share,
    low,
    high,
    mean_weight,
    trend,
    trend_p_value,
    trend_periods,
    note

from topic_shares
