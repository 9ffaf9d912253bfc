-- Each number is a count over the client's own runs; nothing is summed up from pipelines.
with visible_runs as (

    {{ staged_visible_runs() }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

failing_pipelines as (

    select pipeline_id
    from visible_runs
    group by pipeline_id
    having
        max(case when status = 'failed' then run_number end)
        > max(case when status = 'success' then run_number else 0 end)

),

ages as (

    select
        runs.*,
        {{ seconds_between('runs.event_at', 'clock.window_end') }} / 86400 as days_before_window_end
    from visible_runs as runs
    cross join {{ ref('monitoring_clock') }} as clock

),

counts as (

    select
        clients.client_id,
        clients.client_name,
        (
            select count(*)
            from active_pipelines
            where active_pipelines.client_id = clients.client_id
        ) as active_pipelines,
        (
            select count(*)
            from active_pipelines
            inner join failing_pipelines on active_pipelines.pipeline_id = failing_pipelines.pipeline_id
            where active_pipelines.client_id = clients.client_id
        ) as failing_pipelines,
        count(case when ages.days_before_window_end <= 7 then 1 end) as total_runs_7d,
        count(case when ages.status = 'failed' and ages.days_before_window_end <= 1 then 1 end) as failed_runs_24h,
        count(case when ages.status = 'failed' and ages.days_before_window_end <= 7 then 1 end) as failed_runs_7d,
        count(case when ages.status = 'failed' and ages.days_before_window_end <= 30 then 1 end) as failed_runs_30d,
        count(case when ages.days_before_window_end <= 14 then 1 end) as total_runs_14d,
        count(case when ages.status = 'failed' and ages.days_before_window_end <= 14 then 1 end) as failed_runs_14d
    from {{ ref('stg_clients') }} as clients
    left join ages on clients.client_id = ages.client_id
    where clients.is_active
    group by clients.client_id, clients.client_name

),

expected as (

    select
        *,
        {{ ratio('failed_runs_7d', 'total_runs_7d') }} as failure_rate_7d,
        {{ ratio('(failed_runs_14d - failed_runs_7d)', '(total_runs_14d - total_runs_7d)') }}
            as previous_failure_rate_7d
    from counts

)

{{ reconcile(
    ref('q02_client_risk_ranking'),
    'expected',
    ['client_id'],
    [
        'client_name', 'active_pipelines', 'failing_pipelines', 'total_runs_7d', 'failed_runs_24h', 'failed_runs_7d',
        'failed_runs_30d', 'failure_rate_7d', 'previous_failure_rate_7d',
    ]
) }}
