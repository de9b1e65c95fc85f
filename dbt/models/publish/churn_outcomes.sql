{% set z = 1.959964 -%}

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

-- Wilson's limits of a share, which hold for few customers too.
with_limits as (

    select
        *,
        (actual_share + {{ z * z }} / (2 * customers)) / (1 + {{ z * z }} / customers) as centre,
        {{ z }} * sqrt(actual_share * (1 - actual_share) / customers + {{ z * z }} / (4 * customers ^ 2))
        / (1 + {{ z * z }} / customers) as reach

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
    greatest(0, centre - reach) as actual_share_low,
    least(1, centre + reach) as actual_share_high,
    promised_share between centre - reach and centre + reach as is_within_limits,
    on_list_customers,
    on_list_leavers

from with_limits
