{{ config(tags=['churn'], indexes=[
    {'columns': ['as_of_on', 'rank'], 'unique': true},
    {'columns': ['customer_id']},
]) }}

with predictions as (

    select
        predictions.*,
        count(*) over (partition by as_of_on) as scored_customers,
        row_number() over (
            partition by as_of_on
            order by churn_probability desc, customer_id
        ) as risk_rank

    from {{ ref('stg_predictions__churn') }} as predictions

    inner join {{ ref('int_churn__versions_in_charge') }} using (as_of_on, model_version)

),

budgets as (

    select
        model_version,
        contact_budget_share

    from {{ ref('stg_ops__model_versions') }}

    where model = 'churn'

),

reasons as (

    select
        customer_id,
        as_of_on,
        model_version,
        jsonb_agg(reason order by rank) as reasons

    from {{ ref('stg_predictions__churn_reasons') }}

    where method = 'shap'

    group by customer_id, as_of_on, model_version

),

leavers as (

    select
        predictions.*,
        predictions.churn_probability * predictions.expected_spend_60d as value_at_stake,
        coalesce(reasons.reasons, '[]') as reasons

    from predictions

    inner join budgets using (model_version)

    left join reasons using (customer_id, as_of_on, model_version)

    where
        predictions.is_predicted_leaver
        -- Customers who came late to the day may not stretch its budget.
        and (
            budgets.contact_budget_share is null
            or predictions.risk_rank <= greatest(1, floor(predictions.scored_customers * budgets.contact_budget_share))
        )

)

select
    as_of_on || ' ' || customer_id as day_customer_key,
    as_of_on,
    row_number() over (
        partition by as_of_on
        order by value_at_stake desc nulls last, risk_rank
    )::integer as rank,
    customer_id,
    churn_probability,
    expected_spend_60d,
    value_at_stake,
    reasons,
    model_version,
    purpose,
    scored_at

from leavers
