with visible_runs as (

    select * from {{ ref('int_runs') }}
    where is_visible

),

clock as (

    select * from {{ ref('int_monitoring_clock') }}

)

select
    visible_runs.*,
    -- The windows have no upper bound: a visible run lies before window_end.
    visible_runs.event_at >= {{ add_hours('clock.window_end', -24) }} as is_in_24h,
    visible_runs.event_at >= {{ add_hours('clock.window_end', -24 * 7) }} as is_in_7d,
    visible_runs.event_at >= {{ add_hours('clock.window_end', -24 * 14) }}
    and visible_runs.event_at < {{ add_hours('clock.window_end', -24 * 7) }} as is_in_previous_7d,
    visible_runs.event_at >= {{ add_hours('clock.window_end', -24 * 30) }} as is_in_30d,
    row_number() over (
        partition by visible_runs.pipeline_id
        order by
            visible_runs.started_at desc nulls last,
            visible_runs.finished_at desc nulls last,
            {{ binary_text('visible_runs.run_id') }} desc
    ) as recency_rank
from visible_runs
cross join clock
