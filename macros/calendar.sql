{# Calendar arithmetic in UTC, whatever the time zone of the session, the server or the machine. #}

{# An instant moved by whole hours; a negative number goes back. #}
{% macro add_hours(instant, hours) -%}
    {{ add_seconds(instant, hours * 3600) }}
{%- endmacro %}

{# An instant cut to its UTC hour. #}
{% macro utc_hour(instant) -%}
    (date_trunc('hour', {{ instant }} at time zone 'UTC') at time zone 'UTC')
{%- endmacro %}

{# The Monday of an instant's ISO week in UTC, as a date. #}
{% macro utc_week(instant) -%}
    cast(date_trunc('week', {{ instant }} at time zone 'UTC') as date)
{%- endmacro %}

{# The instant a UTC date begins. #}
{% macro utc_midnight(date) -%}
    (cast({{ date }} as timestamp) at time zone 'UTC')
{%- endmacro %}
