{{ config(tags=['keywords'], indexes=[
    {'columns': ['mining_id', 'rank']},
    {'columns': ['collection', 'every', 'period_start_on']},
]) }}

with periods as (

    select * from {{ ref('stg_predictions__keyword_periods') }}

),

found as (

    select * from {{ ref('stg_predictions__keyword_nodes') }}

)

select
    periods.mining_id || ' ' || found.rank as period_rank_key,
    periods.mining_id,
    periods.collection,
    periods.every,
    periods.period_start_on,
    periods.source,
    periods.section,
    periods.subject_id,
    periods.counts_copies,
    found.term,
    found.rank::integer as rank,
    found.texts,
    found.texts_before,
    found.is_new,
    found.community::integer as community

from periods

inner join found using (mining_id)
