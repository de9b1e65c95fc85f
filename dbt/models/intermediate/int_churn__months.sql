with completeness as (

    select * from {{ ref('int_events__completeness') }}

),

known as (

    select
        min(active_on) as first_event_on,
        max(active_on) as last_event_on

    from {{ ref('int_events__customer_days') }}

),

span as (

    select
        completeness.read_at,
        known.first_event_on,
        known.last_event_on,
        -- Where every source has ended, nobody can be known to have stayed beyond the last event.
        case
            when completeness.complete_until_on = 'infinity' then known.last_event_on
            else completeness.complete_until_on
        end as complete_until_on

    from completeness

    cross join known

),

month_ends as (

    select
        (month + interval '1 month' - interval '1 day')::date as as_of_on,
        span.*

    from span

    -- Later than this nobody is active any more.
    cross join lateral generate_series(
        date_trunc('month', first_event_on::timestamp),
        least(complete_until_on, last_event_on + 180)::timestamp,
        interval '1 month'
    ) as month

)

select
    as_of_on,
    as_of_on + 60 as labels_mature_on,
    as_of_on + 60 <= complete_until_on as is_mature,
    read_at

from month_ends

where as_of_on between first_event_on + 60 and complete_until_on
