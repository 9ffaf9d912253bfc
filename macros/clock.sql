{# The clock's setting as a pair (source, ISO instant or none). Source: now, data or instant. #}
{% macro clock_setting() -%}
    {%- set setting = var('as_of', none) or default_as_of() -%}
    {%- if setting in ('now', 'data') -%}
        {{ return((setting, none)) }}
    {%- endif -%}
    {{ return(('instant', utc_instant_text(setting))) }}
{%- endmacro %}

{# An ISO 8601 instant as text in UTC. Without an offset it is taken as UTC. YAML turns an unquoted instant into a datetime, whose text is ISO 8601 too. #}
{% macro utc_instant_text(value) -%}
    {%- set pattern = '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.]\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?$' -%}
    {%- set text = value | string | trim -%}
    {%- if not modules.re.match(pattern, text) -%}
        {{ exceptions.raise_compiler_error(
            "The variable as_of must be 'now', 'data' or an ISO 8601 UTC instant such as 2026-02-21T12:00:00Z; it is '" ~ text ~ "'."
        ) }}
    {%- endif -%}
    {%- set instant = modules.datetime.datetime.fromisoformat(text) -%}
    {%- if instant.tzinfo is none -%}
        {%- set instant = instant.replace(tzinfo=modules.pytz.utc) -%}
    {%- endif -%}
    {{ return(instant.astimezone(modules.pytz.utc).isoformat()) }}
{%- endmacro %}

{# The instant the invocation started, as SQL. #}
{% macro invocation_started_at() -%}
    cast('{{ run_started_at.astimezone(modules.pytz.utc).isoformat() }}' as timestamptz)
{%- endmacro %}
