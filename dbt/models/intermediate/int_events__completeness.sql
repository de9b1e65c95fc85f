with loads as (

    select * from {{ ref('stg_ops__loads') }}

    -- The book bot's readers are no customers, whatever its loads are called.
    where kind = 'events' and outcome = 'finished' and source <> 'book_bot'

),

by_source as (

    select
        source,
        max(complete_until) as complete_until

    from loads

    group by source

)

select
    min(complete_until) as complete_until,
    -- The last day that has wholly passed; infinity when every source has ended.
    (min(complete_until) at time zone '{{ var("timezone") }}')::date - 1 as complete_until_on,
    now() as read_at

from by_source
