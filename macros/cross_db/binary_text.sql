{# A text that compares by code point. Every order, minimum and maximum of a text goes through here, so that each engine ranks alike. #}
{% macro binary_text(text) -%}
    {{ return(adapter.dispatch('binary_text', 'chm')(text)) }}
{%- endmacro %}

{# DuckDB and Spark compare texts by their UTF-8 bytes already. #}
{% macro default__binary_text(text) -%}
    {{ text }}
{%- endmacro %}

{# PostgreSQL compares by the database's locale unless told otherwise. #}
{% macro postgres__binary_text(text) -%}
    ({{ text }} collate "C")
{%- endmacro %}
