{{ config(tags=['publish', 'keywords']) }}

with keyword_periods as (

    select * from {{ source('predictions', 'keyword_periods') }}

)

select
    mining_id,
    collection,
    every,
    period_start_on,
    is_complete,
    source,
    section,
    subject_id,
    counts_copies,
    texts,
    terms,
    tested_pairs,
    tested_rules,
    note,
    mined_at

from keyword_periods
