-- The hour is a number here, counted from 1970-01-01T00:00:00Z.
with actual as (

    select
        *,
        extract(epoch from hour_start) / 3600 as epoch_hour
    from {{ ref('fct_pipeline_hourly') }}

),

visible_runs as (

    {{ staged_visible_runs() }}

),

expected as (

    select
        floor(extract(epoch from event_at) / 3600) as epoch_hour,
        pipeline_id,
        client_id,
        platform,
        environment,
        count(*) as total_runs,
        sum(case when status = 'success' then 1 else 0 end) as success_runs,
        sum(case when status = 'failed' then 1 else 0 end) as failed_runs,
        sum(case when status = 'canceled' then 1 else 0 end) as canceled_runs,
        sum(case when status = 'skipped' then 1 else 0 end) as skipped_runs,
        sum(case when status = 'running' then 1 else 0 end) as running_runs,
        sum(coalesce(rows_processed, 0)) as rows_processed,
        sum(case when status = 'success' then coalesce(duration_seconds, 0) else 0 end) as success_duration_seconds
    from visible_runs
    group by floor(extract(epoch from event_at) / 3600), pipeline_id, client_id, platform, environment

)

{{ reconcile(
    'actual',
    'expected',
    ['pipeline_id', 'epoch_hour'],
    [
        'client_id', 'platform', 'environment', 'total_runs', 'success_runs', 'failed_runs', 'canceled_runs',
        'skipped_runs', 'running_runs', 'rows_processed', 'success_duration_seconds',
    ]
) }}
