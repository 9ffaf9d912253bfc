-- The failed runs of an incident are those with the same next success, or with none.
with visible_runs as (

    {{ staged_visible_runs() }}

),

decided_runs as (

    select
        *,
        row_number() over (partition by pipeline_id order by run_number) as decided_number
    from visible_runs
    where status in ('success', 'failed')

),

runs_before_success as (

    select
        *,
        min(case when status = 'success' then decided_number end) over (
            partition by pipeline_id
            order by decided_number
            rows between 1 following and unbounded following
        ) as next_success_number
    from decided_runs

),

failures as (

    select
        pipeline_id,
        next_success_number,
        count(*) as failed_runs,
        min(decided_number) as first_number,
        max(decided_number) as last_number
    from runs_before_success
    where status = 'failed'
    group by pipeline_id, next_success_number

),

expected as (

    select
        failures.pipeline_id || ':' || first_runs.run_id as incident_id,
        failures.pipeline_id,
        first_runs.client_id,
        first_runs.platform,
        first_runs.environment,
        first_runs.event_at as opened_at,
        successes.event_at as closed_at,
        successes.run_id is null as is_open,
        failures.first_number = 1 as is_left_censored,
        failures.failed_runs,
        first_runs.run_id as first_failed_run_id,
        last_runs.run_id as last_failed_run_id,
        {{ seconds_between(
            'first_runs.event_at', 'greatest(first_runs.event_at, coalesce(successes.event_at, clock.as_of))'
        ) }} as duration_seconds,
        first_runs.error_message as first_error_message,
        last_runs.error_message as last_error_message
    from failures
    inner join decided_runs as first_runs
        on
            failures.pipeline_id = first_runs.pipeline_id
            and failures.first_number = first_runs.decided_number
    inner join decided_runs as last_runs
        on
            failures.pipeline_id = last_runs.pipeline_id
            and failures.last_number = last_runs.decided_number
    left join decided_runs as successes
        on
            failures.pipeline_id = successes.pipeline_id
            and failures.next_success_number = successes.decided_number
    cross join {{ ref('monitoring_clock') }} as clock

)

{{ reconcile(
    ref('incidents'),
    'expected',
    ['incident_id'],
    [
        'pipeline_id', 'client_id', 'platform', 'environment', 'opened_at', 'closed_at', 'is_open',
        'is_left_censored', 'failed_runs', 'first_failed_run_id', 'last_failed_run_id', 'duration_seconds',
        'first_error_message', 'last_error_message',
    ]
) }}
