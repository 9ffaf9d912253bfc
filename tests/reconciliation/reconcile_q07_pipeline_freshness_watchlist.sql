with actual as (

    select
        *,
        expected_interval_hours is not null as has_expected_interval
    from {{ ref('q07_pipeline_freshness_watchlist') }}

),

visible_runs as (

    {{ staged_visible_runs() }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

counts as (

    select
        runs.pipeline_id,
        max(runs.event_at) as last_run_at,
        max(case when runs.status = 'success' then runs.event_at end) as last_success_at,
        count(
            case
                when
                    runs.status != 'skipped'
                    and runs.started_at >= {{ add_hours('clock.window_end', -24 * 21) }}
                    and runs.started_at < clock.window_end
                    then 1
            end
        ) as starts_21d
    from visible_runs as runs
    cross join {{ ref('monitoring_clock') }} as clock
    group by runs.pipeline_id

),

expected as (

    select
        pipelines.*,
        counts.last_run_at,
        counts.last_success_at,
        {{ seconds_between('counts.last_success_at', 'clock.as_of') }} / 3600 as hours_since_last_success,
        -- 4 gaps lie between 5 starts.
        coalesce(counts.starts_21d >= 5, false) as has_expected_interval
    from active_pipelines as pipelines
    cross join {{ ref('monitoring_clock') }} as clock
    left join counts on pipelines.pipeline_id = counts.pipeline_id

)

{{ reconcile(
    'actual',
    'expected',
    ['pipeline_id'],
    [
        'client_id', 'client_name', 'pipeline_name', 'platform', 'environment', 'last_run_at', 'last_success_at',
        'hours_since_last_success', 'has_expected_interval',
    ]
) }}
