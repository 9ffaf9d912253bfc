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
    {%- set text = value | string | trim -%}
    {%- if not is_iso_instant(text) -%}
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

{# Whether a text is a date, or a date and time with or without an offset, that exists. Jinja can't catch what the parser raises. #}
{% macro is_iso_instant(text) -%}
    {%- set time = '([01]\d|2[0-3]):[0-5]\d' -%}
    {%- set pattern = '^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]' ~ time ~ '(:[0-5]\d([.]\d{1,6})?)?(Z|[+-]' ~ time ~ ')?)?$' -%}
    {%- set match = modules.re.match(pattern, text) -%}
    {%- if not match or match.group(1) == '0000' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set first_of_month = modules.datetime.date(match.group(1) | int, match.group(2) | int, 1) -%}
    {%- set day = first_of_month + modules.datetime.timedelta(days=(match.group(3) | int) - 1) -%}
    {{ return(day.month == first_of_month.month) }}
{%- endmacro %}

{# The instant the invocation started, as SQL. #}
{% macro invocation_started_at() -%}
    cast('{{ run_started_at.astimezone(modules.pytz.utc).isoformat() }}' as timestamptz)
{%- endmacro %}
