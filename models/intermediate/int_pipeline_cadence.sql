with clock as (

    select * from {{ ref('int_monitoring_clock') }}

),

recent_runs as (

    select
        runs.pipeline_id,
        runs.started_at,
        case when runs.status = 'success' then runs.duration_seconds end as success_duration_seconds,
        lag(runs.started_at) over (
            partition by runs.pipeline_id order by runs.started_at
        ) as previous_started_at
    from {{ ref('int_visible_runs') }} as runs
    cross join clock
    where
        runs.status != 'skipped'
        and runs.started_at >= {{ add_hours('clock.window_end', -24 * 21) }}
        and runs.started_at < clock.window_end

),

gaps as (

    select
        *,
        {{ seconds_between('previous_started_at', 'started_at') }} as gap_seconds
    from recent_runs

),

medians as (

    select
        pipeline_id,
        count(gap_seconds) as gaps,
        {{ percentile('gap_seconds', 0.5) }} as median_gap_seconds,
        coalesce({{ percentile('success_duration_seconds', 0.95) }}, 0) as p95_duration_seconds
    from gaps
    group by pipeline_id

),

deviations as (

    select
        gaps.pipeline_id,
        {{ percentile('abs(gaps.gap_seconds - medians.median_gap_seconds)', 0.5) }} as mad_gap_seconds
    from gaps
    inner join medians on gaps.pipeline_id = medians.pipeline_id
    group by gaps.pipeline_id

)

select
    medians.pipeline_id,
    medians.median_gap_seconds as expected_interval_seconds,
    -- 1.4826 x MAD estimates the standard deviation of normally distributed gaps.
    greatest(
        3 * 1.4826 * deviations.mad_gap_seconds,
        medians.p95_duration_seconds,
        0.1 * medians.median_gap_seconds
    ) as grace_seconds
from medians
inner join deviations on medians.pipeline_id = deviations.pipeline_id
where medians.gaps >= 4
