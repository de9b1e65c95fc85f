{{ config(tags=['keywords'], indexes=[{'columns': ['collection', 'every', 'period_start_on']}]) }}

with periods as (

    select * from {{ ref('stg_predictions__keyword_periods') }}

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

from periods
