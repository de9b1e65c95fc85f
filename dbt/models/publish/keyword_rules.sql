{{ config(tags=['keywords'], indexes=[
    {'columns': ['mining_id', 'rank']},
    {'columns': ['collection', 'every', 'period_start_on']},
]) }}

with periods as (

    select * from {{ ref('stg_predictions__keyword_periods') }}

),

found as (

    select * from {{ ref('stg_predictions__keyword_rules') }}

)

select
    periods.mining_id || ' ' || coalesce(found.rank, 0) as period_rank_key,
    periods.mining_id,
    periods.collection,
    periods.every,
    periods.period_start_on,
    periods.source,
    periods.section,
    periods.subject_id,
    periods.counts_copies,
    found.antecedent,
    found.consequent,
    found.rank,
    found.texts,
    found.antecedent_texts,
    found.consequent_texts,
    found.support,
    found.confidence,
    found.lift,
    found.p_value,
    found.holm_p_value,
    periods.note

from periods

left join found using (mining_id)

where found.rank is not null or periods.note is not null
