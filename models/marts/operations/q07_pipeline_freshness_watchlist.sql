with clock as (

    select as_of from {{ ref('int_monitoring_clock') }}

),

deadlines as (

    select
        pipelines.*,
        clock.as_of,
        run_counts.last_run_at,
        run_counts.last_success_at,
        cadence.expected_interval_seconds,
        cadence.grace_seconds,
        {{ add_seconds('run_counts.last_success_at', 'cadence.expected_interval_seconds') }} as expected_at,
        {{ add_seconds(
            'run_counts.last_success_at', '(cadence.expected_interval_seconds + cadence.grace_seconds)'
        ) }} as due_at
    from {{ ref('int_pipelines') }} as pipelines
    inner join {{ ref('int_pipeline_run_counts') }} as run_counts
        on pipelines.pipeline_id = run_counts.pipeline_id
    left join {{ ref('int_pipeline_cadence') }} as cadence on pipelines.pipeline_id = cadence.pipeline_id
    cross join clock
    where pipelines.is_monitored

),

freshness as (

    select
        *,
        case
            when last_success_at is null then 'never_succeeded'
            when expected_interval_seconds is null then 'unknown'
            when as_of >= due_at then 'late'
            when as_of >= expected_at then 'grace'
            else 'fresh'
        end as freshness_state,
        {{ seconds_between('last_success_at', 'as_of') }} / 3600 as hours_since_last_success,
        case
            when due_at is not null then greatest({{ seconds_between('due_at', 'as_of') }} / 3600, 0)
        end as hours_overdue
    from deadlines

)

select
    row_number() over (
        order by
            states.watch_order,
            {{ ratio('freshness.hours_overdue', 'freshness.expected_interval_seconds') }} desc nulls last,
            freshness.hours_since_last_success desc nulls last,
            {{ binary_text('freshness.pipeline_id') }}
    ) as watch_rank,
    freshness.client_id,
    freshness.client_name,
    freshness.pipeline_id,
    freshness.pipeline_name,
    freshness.platform,
    freshness.environment,
    freshness.freshness_state,
    freshness.last_run_at,
    freshness.last_success_at,
    freshness.hours_since_last_success,
    freshness.expected_interval_seconds / 3600 as expected_interval_hours,
    freshness.grace_seconds / 3600 as grace_hours,
    freshness.due_at,
    freshness.hours_overdue
from freshness
inner join {{ ref('freshness_states') }} as states on freshness.freshness_state = states.freshness_state
