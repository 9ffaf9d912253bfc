{# Elapsed seconds from one instant to another, with their fraction. dbt.datediff counts unit boundaries instead. #}
{% macro seconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('seconds_between', 'chm')(earlier, later)) }}
{%- endmacro %}

{% macro default__seconds_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) as double precision)
{%- endmacro %}

{# DuckDB cuts an interval of instants into days and months of the session's time zone; integers know no zone. #}
{% macro duckdb__seconds_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0::double)
{%- endmacro %}
