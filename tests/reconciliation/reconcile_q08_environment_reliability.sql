with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

expected as (

    select
        environments.environment,
        (
            select count(*) from active_pipelines
            where active_pipelines.environment = environments.environment
        ) as active_pipelines,
        (
            select count(*) from recent_runs
            where recent_runs.environment = environments.environment
        ) as total_runs_30d,
        (
            select count(*) from recent_runs
            where recent_runs.environment = environments.environment and recent_runs.status = 'failed'
        ) as failed_runs_30d,
        (
            select count(*) from recent_runs
            where
                recent_runs.environment = environments.environment
                and recent_runs.status in ('success', 'failed')
        ) as decided_runs_30d
    from {{ ref('environments') }} as environments

)

{{ reconcile(
    ref('q08_environment_reliability'),
    'expected',
    ['environment'],
    ['active_pipelines', 'total_runs_30d', 'failed_runs_30d', 'decided_runs_30d']
) }}
