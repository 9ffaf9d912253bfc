with counts as (

    select
        platforms.platform,
        count(run_counts.pipeline_id) filter (where run_counts.is_monitored) as active_pipelines,
        {{ summed_run_counts('30d') }}
    from {{ ref('platforms') }} as platforms
    left join {{ ref('int_pipeline_run_counts') }} as run_counts on platforms.platform = run_counts.platform
    group by platforms.platform

),

rates as (

    select
        *,
        {{ failure_rates('30d') }}
    from counts

)

select
    row_number() over (
        order by
            failure_rate_30d_low desc nulls last,
            failed_runs_30d desc,
            {{ binary_text('platform') }}
    ) as failure_rank,
    platform,
    active_pipelines,
    total_runs_30d,
    failed_runs_30d,
    decided_runs_30d,
    failure_rate_30d,
    decided_failure_rate_30d,
    failure_rate_30d_low,
    failure_rate_30d_high
from rates
