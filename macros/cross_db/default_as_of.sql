{# What the variable as_of means where it is not set. #}
{% macro default_as_of() -%}
    {{ return(adapter.dispatch('default_as_of', 'chm')()) }}
{%- endmacro %}

{% macro default__default_as_of() -%}
    {{ return('now') }}
{%- endmacro %}

{# The local target shows data sets of any age: a data set from last winter still makes a living dashboard. #}
{% macro duckdb__default_as_of() -%}
    {{ return('data') }}
{%- endmacro %}
