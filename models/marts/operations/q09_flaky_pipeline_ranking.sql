with measures as (

    select
        pipelines.*,
        run_counts.total_runs_30d,
        run_counts.failed_runs_30d,
        run_counts.decided_runs_30d,
        run_counts.failed_runs_7d,
        run_counts.decided_runs_7d,
        coalesce(flips.flips_30d, 0) as flips_30d,
        coalesce(flips.transient_failures_30d, 0) as transient_failures_30d,
        {{ ratio('failed_runs_30d', 'total_runs_30d') }} as failure_rate_30d,
        {{ ratio('failed_runs_30d', 'decided_runs_30d') }} as decided_failure_rate_30d,
        case
            when run_counts.decided_runs_30d >= 2
                then {{ ratio('coalesce(flips.flips_30d, 0)', '(run_counts.decided_runs_30d - 1)') }}
        end as flip_rate_30d
    from {{ ref('int_pipelines') }} as pipelines
    inner join {{ ref('int_pipeline_run_counts') }} as run_counts
        on pipelines.pipeline_id = run_counts.pipeline_id
    left join {{ ref('int_pipeline_flips') }} as flips on pipelines.pipeline_id = flips.pipeline_id
    where pipelines.is_monitored and run_counts.total_runs_30d > 0

),

classified as (

    select
        *,
        case
            when decided_runs_30d < 5 then 'insufficient_data'
            when failed_runs_7d > 0 and failed_runs_7d = decided_runs_7d then 'broken'
            when failed_runs_30d = 0 then 'stable'
            when flip_rate_30d >= {{ var('flaky_flip_rate_threshold') }} then 'flaky'
            else 'unstable'
        end as stability_class
    from measures

)

select
    row_number() over (
        order by
            classes.flaky_order,
            classified.flip_rate_30d desc nulls last,
            classified.failed_runs_30d desc,
            classified.total_runs_30d desc,
            {{ binary_text('classified.pipeline_id') }}
    ) as flaky_rank,
    classified.client_id,
    classified.client_name,
    classified.pipeline_id,
    classified.pipeline_name,
    classified.platform,
    classified.environment,
    classified.stability_class,
    classified.total_runs_30d,
    classified.failed_runs_30d,
    classified.decided_runs_30d,
    classified.failure_rate_30d,
    classified.flips_30d,
    classified.flip_rate_30d,
    {{ binary_entropy('classified.decided_failure_rate_30d') }} as failure_entropy_30d,
    classified.transient_failures_30d,
    {{ ratio('classified.transient_failures_30d', 'classified.failed_runs_30d') }} as transient_failure_share
from classified
inner join {{ ref('stability_classes') }} as classes on classified.stability_class = classes.stability_class
