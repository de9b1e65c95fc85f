{# How much a weight grows in so many days when it doubles in `half_life`; bounded, since dates may be absurd. #}
{% macro growth(days, half_life) -%}
    power(2, least(({{ days }}) / {{ half_life }}::double precision, 900))
{%- endmacro %}
