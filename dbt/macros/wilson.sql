{# Wilson's 95 % limits (1927) of a share among so many rows, which hold for few rows too; null where the share is. #}
{% macro wilson_low(share, rows) -%}
    case when {{ share }} is not null then greatest(0, {{ wilson_centre(share, rows) }} - {{ wilson_reach(share, rows) }}) end
{%- endmacro %}

{% macro wilson_high(share, rows) -%}
    case when {{ share }} is not null then least(1, {{ wilson_centre(share, rows) }} + {{ wilson_reach(share, rows) }}) end
{%- endmacro %}

{% macro wilson_centre(share, rows) -%}
    {%- set z = 1.959964 -%}
    ({{ share }} + {{ z * z }} / (2 * {{ rows }})) / (1 + {{ z * z }} / {{ rows }})
{%- endmacro %}

{% macro wilson_reach(share, rows) -%}
    {%- set z = 1.959964 -%}
    {{ z }} * sqrt({{ share }} * (1 - {{ share }}) / {{ rows }} + {{ z * z }} / (4 * {{ rows }} ^ 2)) / (1 + {{ z * z }} / {{ rows }})
{%- endmacro %}
