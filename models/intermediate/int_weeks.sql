with recursive bounds as (

    select
        min({{ utc_week('runs.event_at') }}) as first_week_start,
        max({{ utc_week('clock.as_of') }}) as last_week_start
    from {{ ref('int_visible_runs') }} as runs
    cross join {{ ref('int_monitoring_clock') }} as clock

),

weeks as (

    select first_week_start as week_start
    from bounds
    where first_week_start is not null
    union all
    select weeks.week_start + 7 as week_start
    from weeks
    cross join bounds
    where weeks.week_start < bounds.last_week_start

)

select week_start from weeks
