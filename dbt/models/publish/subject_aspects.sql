{{ config(tags=['sentiment'], indexes=[{'columns': ['source', 'subject_id', 'month_start_on']}]) }}

with said as (

    select
        explained.*,
        aspect.key as aspect,
        (aspect.value ->> 'score')::double precision as score

    from {{ ref('int_sentiment__explained_reviews') }} as explained

    cross join lateral jsonb_each(aspects) as aspect

),

by_month as (

    select
        month_start_on,
        source,
        subject_id,
        aspect,
        count(*) filter (where counts_for_month) as reviews,
        count(*) filter (where counts_for_month and score > 0) as positive_reviews,
        count(*) filter (where counts_for_month and score < 0) as negative_reviews,
        count(*) filter (where counts_for_next_month) as reviews_for_next,
        count(*) filter (where counts_for_next_month and score > 0) as positive_reviews_for_next,
        count(*) filter (where counts_for_next_month and score < 0) as negative_reviews_for_next

    from said

    group by month_start_on, source, subject_id, aspect

),

-- What a month says counts for it and, as the month before, for the next one.
told_twice as (

    select
        month_start_on,
        source,
        subject_id,
        aspect,
        reviews,
        positive_reviews,
        negative_reviews,
        0 as reviews_before,
        0 as positive_reviews_before,
        0 as negative_reviews_before

    from by_month

    union all

    select
        (month_start_on + interval '1 month')::date,
        source,
        subject_id,
        aspect,
        0,
        0,
        0,
        reviews_for_next,
        positive_reviews_for_next,
        negative_reviews_for_next

    from by_month

),

compared as (

    select
        month_start_on,
        source,
        subject_id,
        aspect,
        sum(reviews)::bigint as reviews,
        sum(positive_reviews)::bigint as positive_reviews,
        sum(negative_reviews)::bigint as negative_reviews,
        sum(reviews_before)::bigint as reviews_before,
        sum(positive_reviews_before)::bigint as positive_reviews_before,
        sum(negative_reviews_before)::bigint as negative_reviews_before

    from told_twice

    group by month_start_on, source, subject_id, aspect

    having sum(reviews) + sum(reviews_before) > 0

),

with_shares as (

    select
        compared.*,
        months.explained_reviews_before is not null as has_month_before,
        positive_reviews::double precision / nullif(positive_reviews + negative_reviews, 0) as positive_share,
        positive_reviews_before::double precision / nullif(positive_reviews_before + negative_reviews_before, 0)
        as positive_share_before

    from compared

    inner join {{ ref('subject_months') }} as months using (month_start_on, source, subject_id)

    where months.explained_reviews > 0

)

select
    month_start_on || ' ' || aspect || ' ' || source || ':' || subject_id as month_aspect_subject_key,
    month_start_on,
    source,
    subject_id,
    aspect,
    reviews,
    positive_reviews,
    negative_reviews,
    positive_share,
    {{ wilson_low('positive_share', '(positive_reviews + negative_reviews)') }} as positive_share_low,
    {{ wilson_high('positive_share', '(positive_reviews + negative_reviews)') }} as positive_share_high,
    case when has_month_before then reviews_before end as reviews_before,
    case when has_month_before then positive_reviews_before end as positive_reviews_before,
    case when has_month_before then negative_reviews_before end as negative_reviews_before,
    positive_share_before,
    {{ wilson_low('positive_share_before', '(positive_reviews_before + negative_reviews_before)') }}
    as positive_share_before_low,
    {{ wilson_high('positive_share_before', '(positive_reviews_before + negative_reviews_before)') }}
    as positive_share_before_high

from with_shares
