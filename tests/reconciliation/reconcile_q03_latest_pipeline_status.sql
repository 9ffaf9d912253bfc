-- The runs are numbered from the oldest on: a pipeline is failing where a failure comes after its last success.
with visible_runs as (

    {{ staged_visible_runs() }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

counts as (

    select
        pipeline_id,
        max(run_number) as latest_run_number,
        max(case when status = 'success' then run_number else 0 end) as last_success_number,
        count(case when status in ('success', 'failed') then 1 end) as decided_runs,
        max(case when status = 'success' then event_at end) as last_success_at,
        max(case when status = 'failed' then event_at end) as last_failure_at
    from visible_runs
    group by pipeline_id

),

failures_since_success as (

    select
        runs.pipeline_id,
        count(*) as runs
    from visible_runs as runs
    inner join counts
        on
            runs.pipeline_id = counts.pipeline_id
            and runs.run_number > counts.last_success_number
    where runs.status = 'failed'
    group by runs.pipeline_id

),

expected as (

    select
        pipelines.*,
        case
            when counts.pipeline_id is null then 'never_run'
            when counts.decided_runs = 0 then 'undecided'
            when failures.runs > 0 then 'failing'
            else 'healthy'
        end as health_state,
        latest.status as latest_status,
        coalesce(latest.started_at, latest.finished_at, latest.created_at) as last_run_time,
        latest.run_id as latest_run_id,
        latest.external_run_id as latest_external_run_id,
        latest.started_at as latest_started_at,
        latest.finished_at as latest_finished_at,
        latest.duration_seconds as latest_duration_seconds,
        latest.error_message as latest_error_message,
        latest.status_reason as latest_status_reason,
        counts.last_success_at,
        counts.last_failure_at,
        coalesce(failures.runs, 0) as consecutive_failures
    from active_pipelines as pipelines
    left join counts on pipelines.pipeline_id = counts.pipeline_id
    left join visible_runs as latest
        on
            pipelines.pipeline_id = latest.pipeline_id
            and counts.latest_run_number = latest.run_number
    left join failures_since_success as failures on pipelines.pipeline_id = failures.pipeline_id

)

{{ reconcile(
    ref('q03_latest_pipeline_status'),
    'expected',
    ['pipeline_id'],
    [
        'client_id', 'client_name', 'pipeline_name', 'platform', 'pipeline_type', 'environment', 'health_state',
        'latest_status', 'last_run_time', 'latest_run_id', 'latest_external_run_id', 'latest_started_at',
        'latest_finished_at', 'latest_duration_seconds', 'latest_error_message', 'latest_status_reason',
        'last_success_at', 'last_failure_at', 'consecutive_failures',
    ]
) }}
