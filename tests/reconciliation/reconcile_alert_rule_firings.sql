-- Both kinds of rule over every failure that they cover. A window's failures are the difference of two running totals:
-- at its end and at its start.
with visible_runs as (

    {{ staged_visible_runs() }}

),

decided_runs as (

    select
        *,
        row_number() over (partition by pipeline_id order by run_number) as decided_number
    from visible_runs
    where status in ('success', 'failed')

),

covered_failures as (

    select
        rules.alert_rule_id,
        rules.rule_type,
        rules.threshold,
        rules.channel,
        rules.destination,
        runs.run_id,
        runs.event_at,
        {{ add_seconds('runs.event_at', '-60.0 * rules.window_minutes') }} as window_start
    from {{ ref('stg_alert_rules') }} as rules
    inner join decided_runs as runs
        on
            coalesce(rules.pipeline_id, runs.pipeline_id) = runs.pipeline_id
            and coalesce(rules.client_id, runs.client_id) = runs.client_id
    left join decided_runs as previous_runs
        on
            runs.pipeline_id = previous_runs.pipeline_id
            and runs.decided_number = previous_runs.decided_number + 1
    where
        rules.is_enabled
        and runs.status = 'failed'
        and (rules.rule_type = 'failures_in_window' or coalesce(previous_runs.status, 'success') = 'success')

),

instants as (

    select
        alert_rule_id,
        rule_type,
        threshold,
        channel,
        destination,
        event_at,
        window_start,
        max({{ binary_text('run_id') }}) as run_id
    from covered_failures
    group by alert_rule_id, rule_type, threshold, channel, destination, event_at, window_start

),

timeline as (

    select
        alert_rule_id,
        event_at as instant,
        1 as failures
    from covered_failures
    union all
    select
        alert_rule_id,
        window_start as instant,
        0 as failures
    from instants
    where window_start is not null

),

failures_by_instant as (

    select
        alert_rule_id,
        instant,
        sum(failures) as failures
    from timeline
    group by alert_rule_id, instant

),

running_totals as (

    select
        alert_rule_id,
        instant,
        sum(failures) over (partition by alert_rule_id order by instant) as failures_until,
        sum(failures) over (partition by alert_rule_id order by instant) - failures as failures_before
    from failures_by_instant

),

windows as (

    select
        instants.*,
        window_ends.failures_until - window_starts.failures_until as failures_in_window,
        window_ends.failures_before - window_starts.failures_before as failures_just_before
    from instants
    left join running_totals as window_ends
        on
            instants.alert_rule_id = window_ends.alert_rule_id
            and instants.event_at = window_ends.instant
    left join running_totals as window_starts
        on
            instants.alert_rule_id = window_starts.alert_rule_id
            and instants.window_start = window_starts.instant

),

expected as (

    select
        windows.alert_rule_id || ':' || windows.run_id as firing_id,
        windows.alert_rule_id,
        windows.rule_type,
        windows.channel,
        windows.destination,
        runs.client_id,
        runs.pipeline_id,
        windows.run_id,
        windows.event_at as fired_at,
        case when windows.rule_type = 'on_failure' then 1 else windows.failures_in_window end as failures_in_window
    from windows
    inner join visible_runs as runs on windows.run_id = runs.run_id
    where
        windows.rule_type = 'on_failure'
        or (windows.failures_in_window >= windows.threshold and windows.failures_just_before < windows.threshold)

)

{{ reconcile(
    ref('alert_rule_firings'),
    'expected',
    ['firing_id'],
    [
        'alert_rule_id', 'rule_type', 'channel', 'destination', 'client_id', 'pipeline_id', 'run_id', 'fired_at',
        'failures_in_window',
    ]
) }}
