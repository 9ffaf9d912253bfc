-- The open incidents of active pipelines.
with visible_runs as (

    {{ staged_visible_runs() }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

last_successes as (

    select
        pipeline_id,
        max(event_at) as last_success_at
    from visible_runs
    where status = 'success'
    group by pipeline_id

),

recipients as (

    select
        pipelines.pipeline_id,
        {{ sorted_list('rules.channel') }} as alert_channels,
        {{ sorted_list('rules.destination') }} as alert_destinations
    from {{ ref('stg_alert_rules') }} as rules
    inner join active_pipelines as pipelines
        on
            coalesce(rules.pipeline_id, pipelines.pipeline_id) = pipelines.pipeline_id
            and coalesce(rules.client_id, pipelines.client_id) = pipelines.client_id
    where rules.is_enabled
    group by pipelines.pipeline_id

),

expected as (

    select
        incidents.incident_id,
        incidents.opened_at,
        incidents.failed_runs,
        pipelines.*,
        runs.error_message as last_error_message,
        runs.status_reason as last_status_reason,
        last_successes.last_success_at,
        recipients.alert_channels,
        recipients.alert_destinations,
        {{ seconds_between('incidents.opened_at', 'clock.as_of') }} / 3600 as hours_open
    from {{ ref('incidents') }} as incidents
    inner join active_pipelines as pipelines on incidents.pipeline_id = pipelines.pipeline_id
    inner join {{ ref('stg_runs') }} as runs on incidents.last_failed_run_id = runs.run_id
    cross join {{ ref('monitoring_clock') }} as clock
    left join last_successes on incidents.pipeline_id = last_successes.pipeline_id
    left join recipients on incidents.pipeline_id = recipients.pipeline_id
    where incidents.closed_at is null

)

{{ reconcile(
    ref('triage_queue'),
    'expected',
    ['incident_id'],
    [
        'client_name', 'pipeline_name', 'platform', 'pipeline_type', 'environment', 'opened_at', 'hours_open',
        'failed_runs', 'last_error_message', 'last_status_reason', 'last_success_at', 'alert_channels',
        'alert_destinations',
    ]
) }}
