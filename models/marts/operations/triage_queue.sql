with recipients as (

    select
        pipeline_id,
        {{ sorted_list('channel') }} as alert_channels,
        {{ sorted_list('destination') }} as alert_destinations
    from {{ ref('int_alert_rule_coverage') }}
    group by pipeline_id

),

open_incidents as (

    select
        incidents.*,
        streaks.last_status_reason
    from {{ ref('incidents') }} as incidents
    inner join {{ ref('int_status_streaks') }} as streaks
        on
            incidents.pipeline_id = streaks.pipeline_id
            and incidents.first_failed_run_id = streaks.first_run_id
    where incidents.is_open

)

select
    row_number() over (
        order by
            environments.triage_order,
            incidents.failed_runs desc,
            incidents.opened_at,
            {{ binary_text('incidents.incident_id') }}
    ) as triage_rank,
    incidents.incident_id,
    pipelines.client_name,
    pipelines.pipeline_name,
    pipelines.platform,
    pipelines.pipeline_type,
    pipelines.environment,
    incidents.opened_at,
    incidents.duration_seconds / 3600 as hours_open,
    incidents.failed_runs,
    incidents.last_error_message,
    incidents.last_status_reason,
    run_counts.last_success_at,
    recipients.alert_channels,
    recipients.alert_destinations
from open_incidents as incidents
inner join {{ ref('int_pipelines') }} as pipelines on incidents.pipeline_id = pipelines.pipeline_id
inner join {{ ref('int_pipeline_run_counts') }} as run_counts on incidents.pipeline_id = run_counts.pipeline_id
inner join {{ ref('environments') }} as environments on pipelines.environment = environments.environment
left join recipients on incidents.pipeline_id = recipients.pipeline_id
where pipelines.is_monitored
