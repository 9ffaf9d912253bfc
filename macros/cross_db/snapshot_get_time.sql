{# The end of a snapshot's span when a row vanishes. dbt-duckdb gives a timestamp without time zone, which does not compare with updated_at. #}
{% macro duckdb__snapshot_get_time() -%}
    now()
{%- endmacro %}
