-- depends_on: {{ ref('stg_ops__loads') }}, {{ ref('int_reviews__by_customer') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='as_of_on',
    on_schema_change='fail',
    indexes=[{'columns': ['as_of_on', 'customer_id'], 'unique': true}],
    post_hook="delete from {{ this }} where as_of_on not in (select as_of_on from {{ ref('int_churn__months') }})",
) }}

with all_months as (

    select * from {{ ref('int_churn__months') }}

),

{% if var('churn_months') %}

months as (

    select * from all_months

    where as_of_on in ('{{ var("churn_months") | join("', '") }}')

),

{% elif is_incremental() %}

built_months as (

    select
        as_of_on,
        min(built_at) as built_at,
        bool_or(churned_in_60d is not null) as is_labelled

    from {{ this }}

    group by as_of_on

),

loads as (

    select * from {{ ref('stg_ops__loads') }}

    where kind = 'events' and outcome = 'finished'

),

reviews as (

    select * from {{ ref('int_reviews__by_customer') }}

),

-- New ones, those whose label is due, and those of which something has become known since.
months as (

    select all_months.*

    from all_months

    left join built_months using (as_of_on)

    where
        built_months.as_of_on is null
        or built_months.is_labelled <> all_months.is_mature
        or exists (
            select 1 from loads
            where
                loads.finished_at > built_months.built_at
                and loads.first_event_on
                <= case when all_months.is_mature then all_months.labels_mature_on else all_months.as_of_on end
        )
        or exists (
            select 1 from reviews
            where
                reviews.changed_at > built_months.built_at
                and reviews.written_on <= all_months.as_of_on
        )

),

{% else %}

months as (

    select * from all_months

),

{% endif %}

features as (

    {{ churn_features('months') }}

)

select
    {% for name in model.columns if name not in ('churned_in_60d', 'labels_mature_on', 'built_at') -%}
    features.{{ name }},
    {% endfor %}
    case
        when months.is_mature
            then features.next_purchased_on is null or features.next_purchased_on > months.labels_mature_on
    end as churned_in_60d,
    months.labels_mature_on,
    months.read_at as built_at

from features

inner join months using (as_of_on)
