with customer_days as (

    select
        customer_id,
        min(active_on) as first_event_on,
        max(active_on) as last_event_on,
        sum(returns)::bigint as returns,
        sum(visits)::bigint as visits

    from {{ ref('int_events__customer_days') }}

    group by customer_id

),

newest_purchase_day as (

    select *

    from {{ ref('int_events__purchase_days') }}

    where next_purchased_on is null

),

authors as (

    select
        customer_id,
        count(*) as authors

    from {{ ref('bridge_author_customer') }}

    group by customer_id

)

select
    customer_days.customer_id,
    customer_days.first_event_on,
    customer_days.last_event_on,
    newest_purchase_day.first_purchased_on as first_purchase_on,
    newest_purchase_day.purchased_on as last_purchase_on,
    coalesce(newest_purchase_day.purchase_days_ever, 0) as purchase_days,
    coalesce(newest_purchase_day.spend_ever, 0) as spend,
    customer_days.returns,
    customer_days.visits,
    coalesce(authors.authors, 0) as authors

from customer_days

left join newest_purchase_day using (customer_id)

left join authors using (customer_id)
