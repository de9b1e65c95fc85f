with customer_days as (

    select * from {{ ref('int_events__customer_days') }}

    where purchases > 0

),

dated as (

    select
        customer_id,
        active_on as purchased_on,
        spend,
        active_on - lag(active_on) over by_day as gap_days,
        lead(active_on) over by_day as next_purchased_on

    from customer_days

    window by_day as (partition by customer_id order by active_on)

)

select
    customer_id,
    purchased_on,
    next_purchased_on,
    spend,
    gap_days,
    first_value(purchased_on) over until_day as first_purchased_on,
    count(*) over until_day as purchase_days_ever,
    sum(spend) over until_day as spend_ever,
    sum(gap_days::bigint * gap_days) over until_day as squared_gaps_ever,
    max(gap_days) over until_day as longest_gap_days

from dated

window until_day as (partition by customer_id order by purchased_on rows unbounded preceding)
