with failures as (

    select
        coverage.alert_rule_id,
        coverage.rule_type,
        coverage.threshold,
        coverage.window_minutes,
        runs.run_id,
        runs.event_at,
        -- A failure in the middle of a streak is no news to an on_failure rule.
        coalesce(runs.was_failure, false) as is_repeated
    from {{ ref('int_alert_rule_coverage') }} as coverage
    inner join {{ ref('int_decided_runs') }} as runs on coverage.pipeline_id = runs.pipeline_id
    where runs.is_failure

)

select
    alert_rule_id,
    rule_type,
    threshold,
    window_minutes,
    event_at,
    count(*) as failed_runs,
    max({{ binary_text('run_id') }}) as greatest_run_id
from failures
where rule_type != 'on_failure' or not is_repeated
group by alert_rule_id, rule_type, threshold, window_minutes, event_at
