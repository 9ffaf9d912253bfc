with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

expected as (

    select
        platforms.platform,
        (
            select count(*) from active_pipelines
            where active_pipelines.platform = platforms.platform
        ) as active_pipelines,
        (
            select count(*) from recent_runs
            where recent_runs.platform = platforms.platform
        ) as total_runs_30d,
        (
            select count(*) from recent_runs
            where recent_runs.platform = platforms.platform and recent_runs.status = 'failed'
        ) as failed_runs_30d,
        (
            select count(*) from recent_runs
            where
                recent_runs.platform = platforms.platform
                and recent_runs.status in ('success', 'failed')
        ) as decided_runs_30d
    from {{ ref('platforms') }} as platforms

)

{{ reconcile(
    ref('q10_platform_failure_rate'),
    'expected',
    ['platform'],
    ['active_pipelines', 'total_runs_30d', 'failed_runs_30d', 'decided_runs_30d']
) }}
