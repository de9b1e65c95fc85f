with books as (

    select * from {{ source('raw', 'books') }}

)

select
    source || ':' || book_id as book_key,
    source,
    book_id,
    version_no,
    content_hash,
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
    landed_at

from books
