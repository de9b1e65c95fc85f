with items as (

    select
        customer_id,
        purchased_on as active_on,
        count(*) as items,
        count(*) filter (where is_first) as new_items

    from {{ ref('int_events__customer_item_days') }}

    group by customer_id, purchased_on

),

customer_days as (

    select
        customer_days.*,
        coalesce(items.items, 0) as items,
        coalesce(items.new_items, 0) as new_items

    from {{ ref('int_events__customer_days') }} as customer_days

    left join items using (customer_id, active_on)

    where customer_days.purchases > 0

),

dated as (

    select
        customer_id,
        active_on as purchased_on,
        purchases as lines,
        spend,
        items,
        new_items,
        active_on - lag(active_on) over by_day as gap_days,
        lag(active_on, 2) over by_day as third_newest_on,
        lead(active_on) over by_day as next_purchased_on,
        first_value(active_on) over by_day as first_purchased_on,
        row_number() over (partition by customer_id, extract(isodow from active_on) order by active_on) as weekday_no

    from customer_days

    window by_day as (partition by customer_id order by active_on)

)

select
    customer_id,
    purchased_on,
    next_purchased_on,
    first_purchased_on,
    third_newest_on,
    spend,
    gap_days,
    count(*) over until_day as purchase_days_ever,
    sum(spend) over until_day as spend_ever,
    sum(gap_days::bigint * gap_days) over until_day as squared_gaps_ever,
    sum(least(gap_days, 60)) filter (where gap_days is not null) over until_day as covered_days_ever,
    max(gap_days) over until_day as longest_gap_days,
    max(weekday_no) over until_day as top_weekday_days_ever,
    sum(new_items) over until_day as items_ever,
    sum(items) over until_day as item_days_ever,
    -- Weights grow with the days since the customer's first purchase: on any later day one factor makes them decay.
    sum({{ growth('purchased_on - first_purchased_on', 60) }}) over until_day as days_grown_60d,
    sum({{ growth('purchased_on - first_purchased_on', 120) }}) over until_day as days_grown_120d,
    sum({{ growth('purchased_on - first_purchased_on', 180) }}) over until_day as days_grown_180d,
    sum(spend::double precision * {{ growth('purchased_on - first_purchased_on', 120) }}) over until_day
    as spend_grown_120d,
    sum(lines * {{ growth('purchased_on - first_purchased_on', 120) }}) over until_day as lines_grown_120d

from dated

window until_day as (partition by customer_id order by purchased_on rows unbounded preceding)
