with events as (

    select * from {{ ref('fct_events') }}

    where {{ is_of_customer() }}

)

select
    customer_id,
    occurred_on as active_on,
    count(*) filter (where event_type = 'purchase') as purchases,
    coalesce(sum(amount) filter (where event_type = 'purchase'), 0) as spend,
    count(*) filter (where event_type = 'return') as returns,
    coalesce(sum(abs(amount)) filter (where event_type = 'return'), 0) as returned,
    count(*) filter (where event_type = 'visit') as visits

from events

group by customer_id, occurred_on
