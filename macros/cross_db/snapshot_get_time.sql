{# The end of a snapshot's span when a row vanishes. dbt's own has no time zone on DuckDB and PostgreSQL, and would not compare with updated_at. #}
{% macro default__snapshot_get_time() -%}
    now()
{%- endmacro %}
