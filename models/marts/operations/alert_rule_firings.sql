with failures as (

    select
        *,
        {{ add_seconds('event_at', '-60.0 * window_minutes') }} as window_start
    from {{ ref('int_alert_rule_failures') }}

),

window_counts as (

    select
        failures.alert_rule_id,
        failures.event_at,
        -- The window that ends at the failure leaves out its start, the one just before holds it.
        cast(sum(earlier.failed_runs) filter (where earlier.event_at > failures.window_start) as bigint)
            as failures_in_window,
        coalesce(sum(earlier.failed_runs) filter (where earlier.event_at < failures.event_at), 0)
            as failures_just_before
    from failures
    inner join failures as earlier
        on
            failures.alert_rule_id = earlier.alert_rule_id
            and failures.event_at >= earlier.event_at
            and failures.window_start <= earlier.event_at
    where failures.rule_type = 'failures_in_window'
    group by failures.alert_rule_id, failures.event_at

),

firings as (

    select
        failures.alert_rule_id,
        failures.greatest_run_id,
        failures.event_at,
        coalesce(window_counts.failures_in_window, 1) as failures_in_window
    from failures
    left join window_counts
        on
            failures.alert_rule_id = window_counts.alert_rule_id
            and failures.event_at = window_counts.event_at
    where
        failures.rule_type = 'on_failure'
        or (
            window_counts.failures_in_window >= failures.threshold
            and window_counts.failures_just_before < failures.threshold
        )

)

select
    firings.alert_rule_id || ':' || firings.greatest_run_id as firing_id,
    firings.alert_rule_id,
    rules.rule_type,
    rules.channel,
    rules.destination,
    runs.client_id,
    runs.pipeline_id,
    runs.run_id,
    firings.event_at as fired_at,
    firings.failures_in_window
from firings
inner join {{ ref('stg_alert_rules') }} as rules on firings.alert_rule_id = rules.alert_rule_id
inner join {{ ref('int_decided_runs') }} as runs on firings.greatest_run_id = runs.run_id
