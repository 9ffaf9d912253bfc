with covered_pipelines as (

    select distinct pipeline_id from {{ ref('int_alert_rule_coverage') }}

),

checks as (

    select
        pipelines.client_id,
        pipelines.client_name,
        pipelines.pipeline_id,
        pipelines.pipeline_name,
        pipelines.environment,
        covered_pipelines.pipeline_id is not null as has_enabled_alert_rule,
        run_counts.total_runs_30d > 0 as has_run_in_30d,
        run_counts.decided_runs_30d > run_counts.failed_runs_30d as has_success_in_30d,
        coalesce(pipelines.description, '') != '' as has_description,
        coalesce(pipelines.external_id, '') != '' as has_external_id
    from {{ ref('int_pipelines') }} as pipelines
    inner join {{ ref('int_pipeline_run_counts') }} as run_counts
        on pipelines.pipeline_id = run_counts.pipeline_id
    left join covered_pipelines on pipelines.pipeline_id = covered_pipelines.pipeline_id
    where pipelines.is_monitored

)

select
    *,
    {{ ratio(
        'cast(has_enabled_alert_rule as integer) + cast(has_run_in_30d as integer)'
        ' + cast(has_success_in_30d as integer) + cast(has_description as integer)'
        ' + cast(has_external_id as integer)', 5
    ) }} as coverage_score
from checks
