with purchases as (

    select distinct
        customer_id,
        item_id,
        occurred_on as purchased_on

    from {{ ref('fct_events') }}

    where event_type = 'purchase' and item_id is not null and {{ is_of_customer() }}

)

select
    customer_id,
    item_id,
    purchased_on,
    lead(purchased_on) over by_day as next_purchased_on,
    row_number() over by_day = 1 as is_first

from purchases

window by_day as (partition by customer_id, item_id order by purchased_on)
