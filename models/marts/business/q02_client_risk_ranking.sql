with client_counts as (

    select
        clients.client_id,
        clients.client_name,
        count(run_counts.pipeline_id) filter (where run_counts.is_monitored) as active_pipelines,
        count(run_counts.pipeline_id) filter (
            where run_counts.is_monitored and health.health_state = 'failing'
        ) as failing_pipelines,
        cast(coalesce(sum(run_counts.failed_runs_24h), 0) as bigint) as failed_runs_24h,
        {{ summed_run_counts('7d') }},
        cast(coalesce(sum(run_counts.failed_runs_30d), 0) as bigint) as failed_runs_30d,
        {{ ratio('sum(run_counts.previous_failed_runs_7d)', 'sum(run_counts.previous_total_runs_7d)') }}
            as previous_failure_rate_7d
    from {{ ref('stg_clients') }} as clients
    left join {{ ref('int_pipeline_run_counts') }} as run_counts on clients.client_id = run_counts.client_id
    left join {{ ref('int_pipeline_health') }} as health
        on
            run_counts.pipeline_id = health.pipeline_id
            and health.moment = 'now'
    where clients.is_active
    group by clients.client_id, clients.client_name

),

rates as (

    select
        *,
        {{ failure_rates('7d') }}
    from client_counts

)

select
    row_number() over (
        order by
            failure_rate_7d_low desc nulls last,
            failed_runs_7d desc,
            {{ binary_text('client_name') }},
            {{ binary_text('client_id') }}
    ) as risk_rank,
    client_id,
    client_name,
    active_pipelines,
    failing_pipelines,
    total_runs_7d,
    failed_runs_24h,
    failed_runs_7d,
    failed_runs_30d,
    failure_rate_7d,
    decided_failure_rate_7d,
    failure_rate_7d_low,
    failure_rate_7d_high,
    previous_failure_rate_7d,
    failure_rate_7d - previous_failure_rate_7d as failure_rate_change_7d
from rates
