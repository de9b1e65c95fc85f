{# Positive from 9 of 10 or 4 of 5, negative up to 4 of 10 or 2 of 5; null between, without a rating, and on other scales. #}
{% macro sentiment_label(rating, rating_max) -%}
    case
        when {{ rating_max }} = 10 and {{ rating }} between 9 and 10 then 'positive'
        when {{ rating_max }} = 10 and {{ rating }} between 0 and 4 then 'negative'
        when {{ rating_max }} = 5 and {{ rating }} between 4 and 5 then 'positive'
        when {{ rating_max }} = 5 and {{ rating }} between 0 and 2 then 'negative'
    end
{%- endmacro %}
