{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with completeness as (

    select * from {{ ref('int_events__completeness') }}

),

days as (

    select
        {% if var('churn_as_of') -%}
        '{{ var("churn_as_of") }}'::date as as_of_on,
        {%- else -%}
        case
            when complete_until_on = 'infinity'
                then (select max(active_on) from {{ ref('int_events__customer_days') }})
            else complete_until_on
        end as as_of_on,
        {%- endif %}
        read_at

    from completeness

),

features as (

    {{ churn_features('days') }}

)

select
    {% for name in model.columns if name not in ('churned_in_60d', 'labels_mature_on', 'built_at') -%}
    features.{{ name }},
    {% endfor %}
    null::boolean as churned_in_60d,
    features.as_of_on + 60 as labels_mature_on,
    days.read_at as built_at

from features

inner join days using (as_of_on)
