-- Neighbours are found by position: the decided runs of the window are numbered and joined to the next one.
with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

decided_runs as (

    select
        pipeline_id,
        status,
        row_number() over (partition by pipeline_id order by run_number) as decided_number
    from recent_runs
    where status in ('success', 'failed')

),

neighbours as (

    select
        runs.pipeline_id,
        count(*) as decided_runs_30d,
        count(case when runs.status != previous_runs.status then 1 end) as flips_30d,
        count(
            case
                when runs.status = 'failed' and previous_runs.status = 'success' and next_runs.status = 'success'
                    then 1
            end
        ) as transient_failures_30d
    from decided_runs as runs
    left join decided_runs as previous_runs
        on
            runs.pipeline_id = previous_runs.pipeline_id
            and runs.decided_number = previous_runs.decided_number + 1
    left join decided_runs as next_runs
        on
            runs.pipeline_id = next_runs.pipeline_id
            and runs.decided_number = next_runs.decided_number - 1
    group by runs.pipeline_id

),

totals as (

    select
        pipeline_id,
        count(*) as total_runs_30d,
        count(case when status = 'failed' then 1 end) as failed_runs_30d
    from recent_runs
    group by pipeline_id

),

expected as (

    select
        pipelines.*,
        totals.total_runs_30d,
        totals.failed_runs_30d,
        coalesce(neighbours.decided_runs_30d, 0) as decided_runs_30d,
        coalesce(neighbours.flips_30d, 0) as flips_30d,
        coalesce(neighbours.transient_failures_30d, 0) as transient_failures_30d
    from active_pipelines as pipelines
    inner join totals on pipelines.pipeline_id = totals.pipeline_id
    left join neighbours on pipelines.pipeline_id = neighbours.pipeline_id

)

{{ reconcile(
    ref('q09_flaky_pipeline_ranking'),
    'expected',
    ['pipeline_id'],
    [
        'client_id', 'client_name', 'pipeline_name', 'platform', 'environment', 'total_runs_30d', 'failed_runs_30d',
        'decided_runs_30d', 'flips_30d', 'transient_failures_30d',
    ]
) }}
