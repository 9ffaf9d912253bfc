with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

grouped_runs as (

    select
        *,
        case when platform = 'vendor_api' then 'vendor_api' else 'other_platforms' end as platform_group
    from recent_runs

),

platform_groups as (

    select 'vendor_api' as platform_group
    union all
    select 'other_platforms' as platform_group

),

counts as (

    select
        platform_groups.platform_group,
        count(runs.run_id) as total_runs_30d,
        count(case when runs.status = 'failed' then 1 end) as failed_runs_30d,
        count(case when runs.status in ('success', 'failed') then 1 end) as decided_runs_30d,
        (
            select count(distinct active_pipelines.client_id)
            from active_pipelines
            where (active_pipelines.platform = 'vendor_api') = (platform_groups.platform_group = 'vendor_api')
        ) as exposed_clients
    from platform_groups
    left join grouped_runs as runs on platform_groups.platform_group = runs.platform_group
    group by platform_groups.platform_group

),

expected as (

    select
        *,
        {{ ratio('total_runs_30d', '(select count(*) from recent_runs)') }} as share_of_runs,
        {{ ratio('failed_runs_30d', "(select count(*) from recent_runs where status = 'failed')") }}
            as share_of_failures
    from counts

)

{{ reconcile(
    ref('q04_vendor_dependency_risk'),
    'expected',
    ['platform_group'],
    [
        'total_runs_30d', 'failed_runs_30d', 'decided_runs_30d', 'share_of_runs', 'share_of_failures',
        'exposed_clients',
    ]
) }}
