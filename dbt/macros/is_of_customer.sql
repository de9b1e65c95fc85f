{# Whether an event is a known customer's: what readers tell the book bot is an event, and they are no customers. #}
{% macro is_of_customer() -%}
    customer_id is not null and source <> 'book_bot'
{%- endmacro %}
