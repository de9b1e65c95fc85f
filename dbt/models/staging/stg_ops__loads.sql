with loads as (

    select * from {{ source('ops', 'loads') }}

)

select
    load_id,
    source,
    kind,
    origin,
    started_at,
    finished_at,
    outcome,
    landed,
    duplicates,
    rejected,
    complete_until,
    first_event_at,
    last_event_at,
    (first_event_at at time zone '{{ var("timezone") }}')::date as first_event_on

from loads
