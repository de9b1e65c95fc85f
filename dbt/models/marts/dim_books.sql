{{ config(grants={'select': ['maeari_skill']}) }}

with imported as (

    select * from {{ ref('int_books__newest') }}

),

works as (

    select * from {{ ref('int_books__works') }}

),

reviewed as (

    select * from {{ ref('dim_subjects') }}

),

of_books as (

    select source from {{ ref('stg_ops__sources') }}

    where subjects_are = 'books'

),

crawled as (

    select
        source,
        subject_id as book_id,
        -- Pages write 『a title』; the marks are no part of it.
        regexp_replace(btrim(subject_name), '^[『「《〈]\s*([^『「《〈』」》〉]+?)\s*[』」》〉]$', '\1') as title

    from reviewed

    where source in (select source from of_books) and btrim(subject_name) <> ''

),

named as (

    select source, book_id from imported

    union

    select source, book_id from crawled

)

select
    named.source || ':' || named.book_id as book_key,
    named.source,
    named.book_id,
    coalesce(imported.title, crawled.title) as title,
    imported.author,
    imported.description,
    coalesce(imported.subjects, '{}') as subjects,
    imported.series,
    imported.volume,
    coalesce(works.work_id, named.book_id) as work_id,
    imported.isbn,
    imported.pages,
    imported.published_on,
    imported.url,
    coalesce(reviewed.reviews, 0) as reviews,
    reviewed.mean_stars,
    least(imported.first_landed_at, reviewed.first_known_at) as first_known_at

from named

left join imported using (source, book_id)

left join works using (source, book_id)

left join crawled using (source, book_id)

left join reviewed on named.source = reviewed.source and named.book_id = reviewed.subject_id
