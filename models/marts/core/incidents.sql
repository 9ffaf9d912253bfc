with failing_streaks as (

    select * from {{ ref('int_status_streaks') }}
    where is_failure

),

pipelines as (

    select * from {{ ref('int_pipelines') }}

),

clock as (

    select * from {{ ref('int_monitoring_clock') }}

)

select
    streaks.pipeline_id || ':' || streaks.first_run_id as incident_id,
    streaks.pipeline_id,
    pipelines.client_id,
    pipelines.platform,
    pipelines.environment,
    streaks.first_event_at as opened_at,
    streaks.ended_at as closed_at,
    streaks.is_current as is_open,
    streaks.streak_number = 1 as is_left_censored,
    streaks.decided_runs as failed_runs,
    streaks.first_run_id as first_failed_run_id,
    streaks.last_run_id as last_failed_run_id,
    -- Run order follows started_at, so a success may have ended before the failure it follows.
    greatest(
        {{ seconds_between('streaks.first_event_at', 'coalesce(streaks.ended_at, clock.as_of)') }}, 0
    ) as duration_seconds,
    streaks.first_error_message,
    streaks.last_error_message
from failing_streaks as streaks
inner join pipelines on streaks.pipeline_id = pipelines.pipeline_id
cross join clock
