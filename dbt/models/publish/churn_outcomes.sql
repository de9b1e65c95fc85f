{{ config(tags=['churn']) }}

with labels as (

    select
        customer_id,
        as_of_on,
        labels_mature_on,
        churned_in_60d

    from {{ ref('churn') }}

    where churned_in_60d is not null

),

scored as (

    select
        predictions.*,
        ntile(10) over (
            partition by predictions.as_of_on
            order by predictions.churn_probability desc, predictions.customer_id
        ) as decile,
        labels.labels_mature_on,
        labels.churned_in_60d,
        listed.customer_id is not null as is_on_list

    from {{ ref('stg_predictions__churn') }} as predictions

    inner join {{ ref('int_churn__versions_in_charge') }} using (as_of_on, model_version)

    inner join labels using (customer_id, as_of_on)

    left join {{ ref('retention_list') }} as listed using (customer_id, as_of_on)

),

by_decile as (

    select
        as_of_on,
        model_version,
        min(purpose) as purpose,
        decile,
        min(labels_mature_on) as labels_mature_on,
        count(*) as customers,
        sum(churn_probability) as promised_leavers,
        count(*) filter (where churned_in_60d) as actual_leavers,
        avg(churn_probability) as promised_share,
        avg(churned_in_60d::integer::double precision) as actual_share,
        count(*) filter (where is_on_list) as on_list_customers,
        count(*) filter (where is_on_list and churned_in_60d) as on_list_leavers

    from scored

    group by as_of_on, model_version, decile

),

with_limits as (

    select
        *,
        {{ wilson_low('actual_share', 'customers') }} as actual_share_low,
        {{ wilson_high('actual_share', 'customers') }} as actual_share_high

    from by_decile

)

select
    as_of_on || ' ' || decile as day_decile_key,
    as_of_on,
    model_version,
    purpose,
    decile,
    labels_mature_on,
    customers,
    promised_leavers,
    actual_leavers,
    promised_share,
    actual_share,
    actual_share_low,
    actual_share_high,
    promised_share between actual_share_low and actual_share_high as is_within_limits,
    on_list_customers,
    on_list_leavers

from with_limits
