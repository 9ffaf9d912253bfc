select
    pipelines.pipeline_id,
    pipelines.client_id,
    pipelines.platform,
    pipelines.platform_group,
    pipelines.environment,
    pipelines.is_monitored,
    count(runs.run_id) filter (where runs.is_in_24h and runs.is_failure) as failed_runs_24h,
    count(runs.run_id) filter (where runs.is_in_7d) as total_runs_7d,
    count(runs.run_id) filter (where runs.is_in_7d and runs.is_decided) as decided_runs_7d,
    count(runs.run_id) filter (where runs.is_in_7d and runs.is_failure) as failed_runs_7d,
    count(runs.run_id) filter (where runs.is_in_previous_7d) as previous_total_runs_7d,
    count(runs.run_id) filter (where runs.is_in_previous_7d and runs.is_failure) as previous_failed_runs_7d,
    count(runs.run_id) filter (where runs.is_in_30d) as total_runs_30d,
    count(runs.run_id) filter (where runs.is_in_30d and runs.is_decided) as decided_runs_30d,
    count(runs.run_id) filter (where runs.is_in_30d and runs.is_failure) as failed_runs_30d,
    max(runs.event_at) as last_run_at,
    max(runs.event_at) filter (where runs.status = 'success') as last_success_at,
    max(runs.event_at) filter (where runs.is_failure) as last_failure_at
from {{ ref('int_pipelines') }} as pipelines
left join {{ ref('int_visible_runs') }} as runs on pipelines.pipeline_id = runs.pipeline_id
group by
    pipelines.pipeline_id,
    pipelines.client_id,
    pipelines.platform,
    pipelines.platform_group,
    pipelines.environment,
    pipelines.is_monitored
