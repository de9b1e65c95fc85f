with links as (

    select * from {{ source('raw', 'customer_authors') }}

)

select
    source || ':' || author_key as author_id,
    source,
    author_key,
    customer_id,
    load_id

from links
