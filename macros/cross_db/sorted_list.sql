{# The distinct values of a text, sorted by code point and joined by commas; an aggregate. dbt.listagg can't drop repetitions and sort on PostgreSQL. #}
{% macro sorted_list(text) -%}
    {{ return(adapter.dispatch('sorted_list', 'chm')(text)) }}
{%- endmacro %}

{# An aggregate with distinct may only be sorted by the very expression it takes, so the collation stands twice. #}
{% macro default__sorted_list(text) -%}
    string_agg(distinct {{ binary_text(text) }}, ',' order by {{ binary_text(text) }})
{%- endmacro %}
