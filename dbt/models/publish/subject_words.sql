{{ config(tags=['sentiment'], indexes=[{'columns': ['source', 'subject_id', 'month_start_on', 'rank'], 'unique': true}]) }}

with by_month as (

    select
        month_start_on,
        source,
        subject_id,
        said.term,
        count(*) filter (where counts_for_month) as reviews,
        coalesce(sum(said.contribution::double precision) filter (where counts_for_month), 0) as contributions,
        count(*) filter (where counts_for_next_month) as reviews_for_next,
        coalesce(sum(said.contribution::double precision) filter (where counts_for_next_month), 0)
        as contributions_for_next

    from {{ ref('int_sentiment__explained_reviews') }}

    cross join lateral unnest(terms, term_contributions) as said (term, contribution)

    group by month_start_on, source, subject_id, said.term

),

-- What a month says counts for it and, as the month before, for the next one: so a word that is gone counts too.
told_twice as (

    select
        month_start_on,
        source,
        subject_id,
        term,
        reviews,
        contributions,
        0 as reviews_before,
        0 as contributions_before

    from by_month

    union all

    select
        (month_start_on + interval '1 month')::date,
        source,
        subject_id,
        term,
        0,
        0,
        reviews_for_next,
        contributions_for_next

    from by_month

),

compared as (

    select
        month_start_on,
        source,
        subject_id,
        term,
        sum(reviews)::bigint as reviews,
        sum(contributions) as contributions,
        sum(reviews_before)::bigint as reviews_before,
        sum(contributions_before) as contributions_before

    from told_twice

    group by month_start_on, source, subject_id, term

    having sum(reviews) + sum(reviews_before) >= 3

),

per_review as (

    -- Without reviews explained before there is nothing to compare with, and what is divided by null is null.
    select
        month_start_on,
        source,
        subject_id,
        compared.term,
        compared.reviews,
        case when months.explained_reviews_before is not null then compared.reviews_before end as reviews_before,
        compared.reviews::double precision / months.explained_reviews as share,
        compared.reviews_before::double precision / months.explained_reviews_before as share_before,
        compared.contributions / months.explained_reviews as contribution,
        compared.contributions_before / months.explained_reviews_before as contribution_before

    from compared

    inner join {{ ref('subject_months') }} as months using (month_start_on, source, subject_id)

    where months.explained_reviews > 0

),

ranked as (

    select
        *,
        contribution - contribution_before as difference,
        row_number() over (
            partition by month_start_on, source, subject_id
            order by abs(contribution - coalesce(contribution_before, 0)) desc, term
        )::integer as rank

    from per_review

)

select
    month_start_on || ' ' || rank || ' ' || source || ':' || subject_id as month_rank_subject_key,
    month_start_on,
    source,
    subject_id,
    rank,
    term,
    reviews,
    reviews_before,
    share,
    share_before,
    contribution,
    contribution_before,
    difference

from ranked

where rank <= 100
