with books as (

    select * from {{ ref('stg_raw__books') }}

),

newest as (

    select
        *,
        row_number() over (partition by book_key order by version_no desc) as recency,
        min(landed_at) over (partition by book_key) as first_landed_at

    from books

)

select
    book_key,
    source,
    book_id,
    title,
    author,
    description,
    subjects,
    series,
    volume,
    edition_of,
    isbn,
    pages,
    published_on,
    url,
    first_landed_at

from newest

where recency = 1
