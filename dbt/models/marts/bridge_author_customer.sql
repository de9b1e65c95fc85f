select
    author_id,
    source,
    author_key,
    customer_id,
    load_id

from {{ ref('stg_raw__customer_authors') }}
