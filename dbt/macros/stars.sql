{# A rating on any scale as 1 to 5 stars, halves rounded up; null without a rating and when it lies outside its scale. #}
{% macro stars(rating, rating_max) -%}
    case
        when {{ rating_max }} > 0 and {{ rating }} between 0 and {{ rating_max }}
            then greatest(1, round(5 * {{ rating }} / {{ rating_max }}))::integer
    end
{%- endmacro %}
