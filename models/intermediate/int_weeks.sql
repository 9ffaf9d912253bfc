with recursive clock as (

    select {{ utc_week('as_of') }} as week_start
    from {{ ref('int_monitoring_clock') }}

),

weeks as (

    select min({{ utc_week('event_at') }}) as week_start
    from {{ ref('int_visible_runs') }}
    having count(*) > 0
    union all
    select weeks.week_start + 7 as week_start
    from weeks
    cross join clock
    where weeks.week_start < clock.week_start

)

select week_start from weeks
