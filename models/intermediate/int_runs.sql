with runs as (

    select * from {{ ref('stg_runs') }}

),

pipelines as (

    select * from {{ ref('int_pipelines') }}

),

statuses as (

    select * from {{ ref('run_statuses') }}

),

clock as (

    select * from {{ ref('int_monitoring_clock') }}

)

select
    runs.run_id,
    runs.pipeline_id,
    pipelines.client_id,
    runs.external_run_id,
    pipelines.platform,
    pipelines.pipeline_type,
    pipelines.environment,
    runs.status,
    statuses.is_decided,
    statuses.is_failure,
    runs.event_at <= clock.as_of as is_visible,
    runs.started_at,
    runs.finished_at,
    runs.event_at,
    runs.ingested_at,
    runs.created_at,
    runs.updated_at,
    runs.duration_seconds,
    runs.rows_processed,
    runs.error_message,
    runs.status_reason
from runs
inner join pipelines on runs.pipeline_id = pipelines.pipeline_id
inner join statuses on runs.status = statuses.status
cross join clock
