{# An instant moved by a number of seconds, rounded to the microsecond; never by calendar days, whose length depends on the session's time zone. #}
{% macro add_seconds(instant, seconds) -%}
    {{ return(adapter.dispatch('add_seconds', 'chm')(instant, seconds)) }}
{%- endmacro %}

{% macro default__add_seconds(instant, seconds) -%}
    ({{ instant }} + make_interval(secs => {{ seconds }}))
{%- endmacro %}

{# DuckDB has no make_interval; its to_seconds() takes whole seconds only. #}
{% macro duckdb__add_seconds(instant, seconds) -%}
    ({{ instant }} + to_microseconds(cast(round_even({{ seconds }} * 1000000.0::double, 0) as bigint)))
{%- endmacro %}
