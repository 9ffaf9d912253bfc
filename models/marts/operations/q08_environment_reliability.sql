with counts as (

    select
        environments.environment,
        count(run_counts.pipeline_id) filter (where run_counts.is_monitored) as active_pipelines,
        cast(coalesce(sum(run_counts.total_runs_30d), 0) as bigint) as total_runs_30d,
        cast(coalesce(sum(run_counts.failed_runs_30d), 0) as bigint) as failed_runs_30d,
        cast(coalesce(sum(run_counts.decided_runs_30d), 0) as bigint) as decided_runs_30d
    from {{ ref('environments') }} as environments
    left join {{ ref('int_pipeline_run_counts') }} as run_counts
        on environments.environment = run_counts.environment
    group by environments.environment

)

select
    environment,
    active_pipelines,
    total_runs_30d,
    failed_runs_30d,
    decided_runs_30d,
    {{ ratio('failed_runs_30d', 'total_runs_30d') }} as failure_rate_30d,
    {{ ratio('failed_runs_30d', 'decided_runs_30d') }} as decided_failure_rate_30d,
    {{ wilson_low('failed_runs_30d', 'decided_runs_30d') }} as failure_rate_30d_low,
    {{ wilson_high('failed_runs_30d', 'decided_runs_30d') }} as failure_rate_30d_high
from counts
