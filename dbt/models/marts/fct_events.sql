-- What is complete is read before the events, so that a load that ends in between counts as a later one.
-- depends_on: {{ ref('int_events__completeness') }}
{{ config(indexes=[{'columns': ['customer_id', 'occurred_at']}]) }}

select
    event_key,
    source,
    event_id,
    customer_id,
    event_type,
    occurred_at,
    occurred_on,
    item_id,
    quantity,
    amount,
    load_id

from {{ ref('stg_raw__events') }}
