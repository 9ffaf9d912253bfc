{%- set clock_source, instant = clock_setting() -%}

with settings as (

    select
        '{{ clock_source }}' as clock_source,
        {{ invocation_started_at() }} as invoked_at,
        cast({{ "'" ~ instant ~ "'" if instant else 'null' }} as timestamptz) as instant

),

newest_event as (

    select max(runs.event_at) as event_at
    from {{ ref('stg_runs') }} as runs
    cross join settings
    where runs.event_at <= settings.invoked_at

),

resolved as (

    select
        case
            when settings.clock_source = 'instant' then settings.instant
            when settings.clock_source = 'data' and newest_event.event_at is not null then newest_event.event_at
            else settings.invoked_at
        end as as_of,
        case
            -- Without a run there is no newest event to tell the time by.
            when settings.clock_source = 'data' and newest_event.event_at is null then 'now'
            else settings.clock_source
        end as clock_source
    from settings
    cross join newest_event

)

select
    as_of,
    {{ add_hours(utc_hour('as_of'), 1) }} as window_end,
    clock_source
from resolved
