-- Every run is there, visible or not, with its own values and its pipeline's.
with expected as (

    select
        runs.*,
        pipelines.client_id,
        pipelines.platform,
        pipelines.pipeline_type,
        pipelines.environment,
        runs.status in ('success', 'failed') as is_decided,
        runs.status = 'failed' as is_failure,
        runs.event_at <= (select clock.as_of from {{ ref('monitoring_clock') }} as clock) as is_visible
    from {{ ref('stg_runs') }} as runs
    left join {{ ref('stg_pipelines') }} as pipelines on runs.pipeline_id = pipelines.pipeline_id

)

{{ reconcile(
    ref('fct_runs'),
    'expected',
    ['run_id'],
    [
        'pipeline_id', 'client_id', 'external_run_id', 'platform', 'pipeline_type', 'environment', 'status',
        'is_decided', 'is_failure', 'is_visible', 'started_at', 'finished_at', 'event_at', 'ingested_at',
        'created_at', 'updated_at', 'duration_seconds', 'rows_processed', 'error_message', 'status_reason',
    ]
) }}
