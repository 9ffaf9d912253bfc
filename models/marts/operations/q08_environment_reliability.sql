with counts as (

    select
        environments.environment,
        count(run_counts.pipeline_id) filter (where run_counts.is_monitored) as active_pipelines,
        {{ summed_run_counts('30d') }}
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
    {{ failure_rates('30d') }}
from counts
