with pipelines as (

    select * from {{ ref('int_pipelines') }}
    where is_monitored

),

health as (

    select * from {{ ref('int_pipeline_health') }}
    where moment = 'now'

),

run_counts as (

    select * from {{ ref('int_pipeline_run_counts') }}

),

latest_runs as (

    select * from {{ ref('int_visible_runs') }}
    where recency_rank = 1

),

failing_streaks as (

    select * from {{ ref('int_status_streaks') }}
    where is_current and is_failure

)

select
    pipelines.client_id,
    pipelines.client_name,
    pipelines.pipeline_id,
    pipelines.pipeline_name,
    pipelines.platform,
    pipelines.pipeline_type,
    pipelines.environment,
    health.health_state,
    latest_runs.status as latest_status,
    coalesce(latest_runs.started_at, latest_runs.finished_at, latest_runs.created_at) as last_run_time,
    latest_runs.run_id as latest_run_id,
    latest_runs.external_run_id as latest_external_run_id,
    latest_runs.started_at as latest_started_at,
    latest_runs.finished_at as latest_finished_at,
    latest_runs.duration_seconds as latest_duration_seconds,
    latest_runs.error_message as latest_error_message,
    latest_runs.status_reason as latest_status_reason,
    run_counts.last_success_at,
    run_counts.last_failure_at,
    coalesce(failing_streaks.decided_runs, 0) as consecutive_failures
from pipelines
inner join health on pipelines.pipeline_id = health.pipeline_id
inner join run_counts on pipelines.pipeline_id = run_counts.pipeline_id
left join latest_runs on pipelines.pipeline_id = latest_runs.pipeline_id
left join failing_streaks on pipelines.pipeline_id = failing_streaks.pipeline_id
