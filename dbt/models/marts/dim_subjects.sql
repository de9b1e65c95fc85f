with reviews as (

    select * from {{ ref('fct_reviews') }}

),

counted as (

    select
        source,
        subject_id,
        count(*) as reviews,
        count(stars) as rated_reviews,
        count(*) filter (where sentiment_label = 'positive') as positive_reviews,
        count(*) filter (where sentiment_label = 'negative') as negative_reviews,
        round(avg(stars), 2) as mean_stars,
        min(written_at) as first_written_at,
        max(written_at) as last_written_at,
        min(least(written_at, fetched_at)) as first_known_at

    from reviews

    group by source, subject_id

),

newest_name as (

    select distinct on (source, subject_id)
        source,
        subject_id,
        subject_name

    from reviews

    order by source, subject_id, (subject_name is null), fetched_at desc, review_id

)

select
    counted.source || ':' || counted.subject_id as subject_key,
    counted.source,
    counted.subject_id,
    newest_name.subject_name,
    counted.reviews,
    counted.rated_reviews,
    counted.positive_reviews,
    counted.negative_reviews,
    counted.mean_stars,
    counted.first_written_at,
    counted.last_written_at,
    counted.first_known_at

from counted

inner join newest_name using (source, subject_id)
