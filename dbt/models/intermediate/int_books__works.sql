with recursive books as (

    select
        source,
        book_id,
        edition_of

    from {{ ref('int_books__newest') }}

),

editions as (

    select
        books.source,
        books.book_id,
        books.edition_of

    from books

    inner join books as works on books.source = works.source and books.edition_of = works.book_id

),

-- Each edition's way from book to book, until it comes back to where it began or ends. Whoever sends a catalogue can
-- write a way of any length, so no more than 50 steps of one are taken.
steps as (

    select
        source,
        book_id,
        edition_of as reached_id,
        least(book_id collate "C", edition_of collate "C") as least_id,
        1 as step_no

    from editions

    union all

    select
        steps.source,
        steps.book_id,
        editions.edition_of,
        least(steps.least_id, editions.edition_of collate "C"),
        steps.step_no + 1

    from steps

    inner join editions on steps.source = editions.source and steps.reached_id = editions.book_id

    where steps.reached_id <> steps.book_id and steps.step_no < 50

),

circles as (

    select
        source,
        book_id,
        least_id as work_id

    from steps

    where reached_id = book_id

),

-- Works are books that are no edition, works that the catalogue does not hold, and of a circle its least id.
roots as (

    select
        books.source,
        books.book_id,
        coalesce(books.edition_of, books.book_id) collate "C" as work_id

    from books

    left join editions using (source, book_id)

    where editions.book_id is null

    union all

    select * from circles

),

trees as (

    select
        source,
        book_id,
        work_id,
        0 as step_no

    from roots

    union all

    select
        editions.source,
        editions.book_id,
        trees.work_id,
        trees.step_no + 1

    from trees

    inner join editions on trees.source = editions.source and trees.book_id = editions.edition_of

    left join circles on editions.source = circles.source and editions.book_id = circles.book_id

    where circles.book_id is null and trees.step_no < 50

)

select
    books.source,
    books.book_id,
    coalesce(trees.work_id collate "default", books.book_id) as work_id

from books

left join trees using (source, book_id)
