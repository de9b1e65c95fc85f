{# Also in full where the table's columns are not those of the model's contract, so that an upgrade needs no flag. #}
{% macro should_full_refresh() %}
    {% set wanted = config.get('full_refresh') %}
    {% do return((flags.FULL_REFRESH if wanted is none else wanted) or has_other_columns()) %}
{% endmacro %}

{% macro has_other_columns() %}
    {% set found = {} %}
    {% for column in adapter.get_columns_in_relation(this) %}
        {% do found.update({column.name: column.dtype}) %}
    {% endfor %}
    {% set promised = {} %}
    {% for column in model.columns.values() %}
        {% do promised.update({column.name: column.data_type}) %}
    {% endfor %}
    {% do return(found and found != promised) %}
{% endmacro %}
