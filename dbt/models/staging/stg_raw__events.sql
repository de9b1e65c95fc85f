with events as (

    select * from {{ source('raw', 'events') }}

)

select
    source || ':' || event_id as event_key,
    source,
    event_id,
    customer_id,
    event_type,
    occurred_at,
    (occurred_at at time zone '{{ var("timezone") }}')::date as occurred_on,
    item_id,
    quantity,
    amount,
    load_id

from events
