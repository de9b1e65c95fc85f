{#
    One row per active customer and day of `as_of_days` (a relation or CTE with the column `as_of_on`): what was known
    of the customer at the end of that day, and never anything later. Training and scoring read this and nothing else.
    `next_purchased_on` is no feature: the label is made of it.
#}
{% macro churn_features(as_of_days) -%}
    with newest_purchase_day as (

        -- A customer is active with a purchase in the last 180 days; the newest purchase day carries the sums until then.
        select
            days.as_of_on,
            purchase_days.*,
            days.as_of_on - purchase_days.purchased_on as recency_days,
            purchase_days.purchased_on - purchase_days.first_purchased_on as spanned_days,
            purchase_days.purchase_days_ever - 1 as gaps

        from {{ as_of_days }} as days

        inner join {{ ref('int_events__purchase_days') }} as purchase_days
            on purchase_days.purchased_on between days.as_of_on - 179 and days.as_of_on
            and (purchase_days.next_purchased_on is null or purchase_days.next_purchased_on > days.as_of_on)

    ),

    purchases as (

        select
            purchase_days.customer_id,
            days.as_of_on,
            count(*) filter (where purchased_on > as_of_on - 30) as purchase_days_30d,
            count(*) filter (where purchased_on > as_of_on - 90) as purchase_days_90d,
            count(*) filter (where purchased_on > as_of_on - 180) as purchase_days_180d,
            count(*) filter (where purchased_on <= as_of_on - 305) as same_season_days,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 30), 0) as spend_30d,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 90), 0) as spend_90d,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 180), 0) as spend_180d

        from {{ as_of_days }} as days

        inner join {{ ref('int_events__purchase_days') }} as purchase_days
            on purchase_days.purchased_on between days.as_of_on - 364 and days.as_of_on
            and not purchase_days.purchased_on between days.as_of_on - 304 and days.as_of_on - 180

        group by purchase_days.customer_id, days.as_of_on

    ),

    items as (

        -- Each item counts once, on the last day it was bought on by then.
        select
            item_days.customer_id,
            days.as_of_on,
            count(*) as distinct_items_180d

        from {{ as_of_days }} as days

        inner join {{ ref('int_events__customer_item_days') }} as item_days
            on item_days.purchased_on between days.as_of_on - 179 and days.as_of_on
            and (item_days.next_purchased_on is null or item_days.next_purchased_on > days.as_of_on)

        group by item_days.customer_id, days.as_of_on

    ),

    returns_and_visits as (

        select
            customer_days.customer_id,
            days.as_of_on,
            sum(returns) as returns_180d,
            sum(returned) as returned_180d,
            sum(visits) filter (where active_on > as_of_on - 90) as visits_90d

        from {{ as_of_days }} as days

        inner join {{ ref('int_events__customer_days') }} as customer_days
            on customer_days.active_on between days.as_of_on - 179 and days.as_of_on
            and (customer_days.returns > 0 or customer_days.visits > 0)

        group by customer_days.customer_id, days.as_of_on

    ),

    own_reviews as (

        -- Each review as it stood on that day.
        select
            reviews.customer_id,
            days.as_of_on,
            count(*) as own_reviews_180d,
            count(*) filter (where reviews.is_negative) as own_negative_180d

        from {{ as_of_days }} as days

        inner join {{ ref('int_reviews__by_customer') }} as reviews
            on reviews.event_on between days.as_of_on - 179 and days.as_of_on
            and reviews.known_on <= days.as_of_on
            and (reviews.superseded_on is null or reviews.superseded_on > days.as_of_on)
            and reviews.is_in_charge

        group by reviews.customer_id, days.as_of_on

    ),

    gaps as (

        select
            customer_id,
            as_of_on,
            spanned_days::double precision / nullif(gaps, 0) as mean_gap_days,
            case when gaps > 1 then sqrt(
                greatest(squared_gaps_ever - spanned_days::numeric * spanned_days / gaps, 0) / (gaps - 1)
            )::double precision end as gap_sd_days

        from newest_purchase_day

    )

    select
        newest_purchase_day.customer_id,
        newest_purchase_day.as_of_on,
        newest_purchase_day.next_purchased_on,
        newest_purchase_day.recency_days,
        newest_purchase_day.as_of_on - newest_purchase_day.first_purchased_on as tenure_days,
        purchases.purchase_days_30d::integer as purchase_days_30d,
        purchases.purchase_days_90d::integer as purchase_days_90d,
        purchases.purchase_days_180d::integer as purchase_days_180d,
        newest_purchase_day.purchase_days_ever::integer as purchase_days_ever,
        purchases.spend_30d::double precision as spend_30d,
        purchases.spend_90d::double precision as spend_90d,
        purchases.spend_180d::double precision as spend_180d,
        newest_purchase_day.spend_ever::double precision as spend_ever,
        (purchases.spend_180d / purchases.purchase_days_180d)::double precision as basket_180d,
        gaps.mean_gap_days,
        gaps.gap_sd_days,
        newest_purchase_day.gap_days as last_gap_days,
        newest_purchase_day.longest_gap_days,
        newest_purchase_day.recency_days / gaps.mean_gap_days as recency_per_gap,
        (2 * purchases.purchase_days_90d - purchases.purchase_days_180d)::integer as purchase_days_trend,
        (2 * purchases.spend_90d - purchases.spend_180d)::double precision as spend_trend,
        coalesce(items.distinct_items_180d, 0)::integer as distinct_items_180d,
        coalesce(returns_and_visits.returns_180d, 0)::integer as returns_180d,
        coalesce(
            returns_and_visits.returned_180d
            / nullif(greatest(purchases.spend_180d, 0) + returns_and_visits.returned_180d, 0),
            0
        )::double precision as return_share_180d,
        coalesce(returns_and_visits.visits_90d, 0)::integer as visits_90d,
        purchases.same_season_days::integer as same_season_days,
        sin(2 * pi() * extract(doy from newest_purchase_day.as_of_on)::double precision / 365.25) as season_sin,
        cos(2 * pi() * extract(doy from newest_purchase_day.as_of_on)::double precision / 365.25) as season_cos,
        coalesce(own_reviews.own_reviews_180d, 0)::integer as own_reviews_180d,
        own_reviews.own_negative_180d::double precision / own_reviews.own_reviews_180d as own_negative_share_180d

    from newest_purchase_day

    inner join gaps using (customer_id, as_of_on)

    inner join purchases using (customer_id, as_of_on)

    left join items using (customer_id, as_of_on)

    left join returns_and_visits using (customer_id, as_of_on)

    left join own_reviews using (customer_id, as_of_on)
{%- endmacro %}
