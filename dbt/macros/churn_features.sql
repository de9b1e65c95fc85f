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
            days.as_of_on - purchase_days.first_purchased_on as tenure_days,
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
            count(*) as purchase_days_365d,
            count(*) filter (where purchased_on <= as_of_on - 305) as same_season_days,
            -- One bit for each 30 days of the 180.
            bit_count(
                bit_or(1 << ((as_of_on - purchased_on) / 30)) filter (where purchased_on > as_of_on - 180)::bit(6)
            ) as active_months_180d,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 30), 0) as spend_30d,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 90), 0) as spend_90d,
            coalesce(sum(spend) filter (where purchased_on > as_of_on - 180), 0) as spend_180d

        from {{ as_of_days }} as days

        inner join {{ ref('int_events__purchase_days') }} as purchase_days
            on purchase_days.purchased_on between days.as_of_on - 364 and days.as_of_on

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

        -- Each review as it stood on that day, also one that no model has scored.
        select
            reviews.customer_id,
            days.as_of_on,
            days.as_of_on - max(reviews.written_on) as own_review_recency_days,
            count(*) filter (where written_on > as_of_on - 30) as own_reviews_30d,
            count(*) filter (where written_on > as_of_on - 90) as own_reviews_90d,
            count(*) filter (where written_on > as_of_on - 180) as own_reviews_180d,
            avg(is_negative::integer) filter (where written_on > as_of_on - 180) as own_negative_share_180d

        from {{ as_of_days }} as days

        inner join {{ ref('int_reviews__by_customer') }} as reviews
            on reviews.written_on <= days.as_of_on
            and reviews.known_on <= days.as_of_on
            and (reviews.superseded_on is null or reviews.superseded_on > days.as_of_on)

        group by reviews.customer_id, days.as_of_on

    ),

    compared_reviews as (

        -- Review sites grow and wane: a count says more beside that of the day's average customer.
        select
            customer_id,
            as_of_on,
            own_review_recency_days,
            coalesce(own_reviews_30d, 0) as own_reviews_30d,
            coalesce(own_reviews_90d, 0) as own_reviews_90d,
            coalesce(own_reviews_180d, 0) as own_reviews_180d,
            own_negative_share_180d,
            nullif(avg(coalesce(own_reviews_30d, 0)) over of_the_day, 0) as mean_reviews_30d,
            nullif(avg(coalesce(own_reviews_90d, 0)) over of_the_day, 0) as mean_reviews_90d

        from newest_purchase_day

        left join own_reviews using (customer_id, as_of_on)

        window of_the_day as (partition by as_of_on)

    ),

    habits as (

        select
            customer_id,
            as_of_on,
            spanned_days::double precision / nullif(gaps, 0) as mean_gap_days,
            case when gaps > 1 then sqrt(
                greatest(squared_gaps_ever - spanned_days::numeric * spanned_days / gaps, 0) / (gaps - 1)
            )::double precision end as gap_sd_days,
            1 / {{ growth('tenure_days', 60) }} as decay_60d,
            1 / {{ growth('tenure_days', 120) }} as decay_120d,
            1 / {{ growth('tenure_days', 180) }} as decay_180d,
            -- Expected purchase days of BG/NBD (Fader, Hardie and Lee, 2005) with r .9, alpha 60, a .6 and b 2.5: by how
            -- likely it is that the customer has left since the newest purchase, and how often one who stays buys.
            case when gaps = 0 then 1 else
                1 / (1 + 0.6 / (1.5 + gaps) * power((60.0 + tenure_days) / (60 + spanned_days), 0.9 + gaps))
            end::double precision as staying_probability

        from newest_purchase_day

    )

    select
        newest_purchase_day.customer_id,
        newest_purchase_day.as_of_on,
        newest_purchase_day.next_purchased_on,
        newest_purchase_day.recency_days,
        newest_purchase_day.as_of_on - newest_purchase_day.third_newest_on as third_recency_days,
        newest_purchase_day.tenure_days,
        purchases.purchase_days_30d::integer as purchase_days_30d,
        purchases.purchase_days_90d::integer as purchase_days_90d,
        purchases.purchase_days_180d::integer as purchase_days_180d,
        purchases.purchase_days_365d::integer as purchase_days_365d,
        newest_purchase_day.purchase_days_ever::integer as purchase_days_ever,
        newest_purchase_day.days_grown_60d * habits.decay_60d as purchase_days_decayed_60d,
        newest_purchase_day.days_grown_120d * habits.decay_120d as purchase_days_decayed_120d,
        newest_purchase_day.days_grown_180d * habits.decay_180d as purchase_days_decayed_180d,
        -- The first purchase begins the watch and counts only .7; the days watched decay as the purchases do.
        60 * (newest_purchase_day.days_grown_120d - 0.3) * habits.decay_120d
        / ((1 - power(0.5, 1 / 120.0) * habits.decay_120d) * 120 / ln(2.0::double precision) + 30)
        as purchase_rate_decayed_120d,
        purchases.active_months_180d::integer as active_months_180d,
        purchases.spend_30d::double precision as spend_30d,
        purchases.spend_90d::double precision as spend_90d,
        purchases.spend_180d::double precision as spend_180d,
        newest_purchase_day.spend_ever::double precision as spend_ever,
        newest_purchase_day.spend_grown_120d * habits.decay_120d as spend_decayed_120d,
        newest_purchase_day.lines_grown_120d * habits.decay_120d as lines_decayed_120d,
        (purchases.spend_180d / purchases.purchase_days_180d)::double precision as basket_180d,
        (newest_purchase_day.spend_ever / newest_purchase_day.purchase_days_ever)::double precision as basket_ever,
        habits.mean_gap_days,
        habits.gap_sd_days,
        habits.gap_sd_days / habits.mean_gap_days as gap_variation,
        newest_purchase_day.gap_days as last_gap_days,
        newest_purchase_day.longest_gap_days,
        newest_purchase_day.recency_days / habits.mean_gap_days as recency_per_gap,
        -- 40 days of an average customer, of whose days 45 % are covered, are added: a short record says little.
        (coalesce(newest_purchase_day.covered_days_ever, 0) + 18)::double precision
        / (greatest(newest_purchase_day.tenure_days - least(newest_purchase_day.recency_days, 60), 0) + 40)
        as covered_60d_share,
        60 * (newest_purchase_day.gaps + 0.7)::double precision / (newest_purchase_day.tenure_days + 60)
        as purchase_rate_60d,
        habits.staying_probability * 60 * (newest_purchase_day.gaps + 0.9) / (newest_purchase_day.tenure_days + 60)
        as expected_purchases_60d,
        (2 * purchases.purchase_days_90d - purchases.purchase_days_180d)::integer as purchase_days_trend,
        (2 * purchases.spend_90d - purchases.spend_180d)::double precision as spend_trend,
        coalesce(items.distinct_items_180d, 0)::integer as distinct_items_180d,
        newest_purchase_day.items_ever::integer as distinct_items_ever,
        1 - newest_purchase_day.items_ever::double precision / nullif(newest_purchase_day.item_days_ever, 0)
        as repeated_item_share,
        newest_purchase_day.top_weekday_days_ever::double precision / newest_purchase_day.purchase_days_ever
        as top_weekday_share,
        coalesce(returns_and_visits.returns_180d, 0)::integer as returns_180d,
        coalesce(
            returns_and_visits.returned_180d
            / nullif(greatest(purchases.spend_180d, 0) + returns_and_visits.returned_180d, 0),
            0
        )::double precision as return_share_180d,
        coalesce(returns_and_visits.visits_90d, 0)::integer as visits_90d,
        case when newest_purchase_day.tenure_days >= 364 then purchases.same_season_days::integer end as same_season_days,
        sin(2 * pi() * extract(doy from newest_purchase_day.as_of_on)::double precision / 365.25) as season_sin,
        cos(2 * pi() * extract(doy from newest_purchase_day.as_of_on)::double precision / 365.25) as season_cos,
        compared_reviews.own_review_recency_days,
        compared_reviews.own_reviews_30d::integer as own_reviews_30d,
        compared_reviews.own_reviews_90d::integer as own_reviews_90d,
        compared_reviews.own_reviews_180d::integer as own_reviews_180d,
        (compared_reviews.own_reviews_30d / compared_reviews.mean_reviews_30d)::double precision
        as own_reviews_30d_relative,
        (compared_reviews.own_reviews_90d / compared_reviews.mean_reviews_90d)::double precision
        as own_reviews_90d_relative,
        (coalesce(compared_reviews.own_review_recency_days, 365) * compared_reviews.mean_reviews_30d / 30)::double precision
        as own_review_silence,
        compared_reviews.own_negative_share_180d::double precision as own_negative_share_180d

    from newest_purchase_day

    inner join habits using (customer_id, as_of_on)

    inner join purchases using (customer_id, as_of_on)

    inner join compared_reviews using (customer_id, as_of_on)

    left join items using (customer_id, as_of_on)

    left join returns_and_visits using (customer_id, as_of_on)
{%- endmacro %}
