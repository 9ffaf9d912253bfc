with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

checks as (

    select
        pipelines.*,
        exists(
            select 1
            from {{ ref('stg_alert_rules') }} as rules
            where
                rules.is_enabled
                and coalesce(rules.pipeline_id, pipelines.pipeline_id) = pipelines.pipeline_id
                and coalesce(rules.client_id, pipelines.client_id) = pipelines.client_id
        ) as has_enabled_alert_rule,
        exists(
            select 1 from recent_runs
            where recent_runs.pipeline_id = pipelines.pipeline_id
        ) as has_run_in_30d,
        exists(
            select 1 from recent_runs
            where recent_runs.pipeline_id = pipelines.pipeline_id and recent_runs.status = 'success'
        ) as has_success_in_30d,
        coalesce(length(pipelines.description), 0) > 0 as has_description,
        coalesce(length(pipelines.external_id), 0) > 0 as has_external_id
    from active_pipelines as pipelines

),

expected as (

    select
        *,
        cast(
            case when has_enabled_alert_rule then 1 else 0 end
            + case when has_run_in_30d then 1 else 0 end
            + case when has_success_in_30d then 1 else 0 end
            + case when has_description then 1 else 0 end
            + case when has_external_id then 1 else 0 end
            as double precision
        ) / 5 as coverage_score
    from checks

)

{{ reconcile(
    ref('governance_coverage'),
    'expected',
    ['pipeline_id'],
    [
        'client_id', 'client_name', 'pipeline_name', 'environment', 'has_enabled_alert_rule', 'has_run_in_30d',
        'has_success_in_30d', 'has_description', 'has_external_id', 'coverage_score',
    ]
) }}
