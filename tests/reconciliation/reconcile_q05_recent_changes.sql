-- A pipeline is failing or healthy by which comes later in run order, its last failure or its last success.
with visible_runs as (

    {{ staged_visible_runs() }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

clock as (

    select
        window_end,
        {{ add_hours('window_end', -24) }} as day_before
    from {{ ref('monitoring_clock') }}

),

counts as (

    select
        runs.pipeline_id,
        count(*) as runs,
        max(case when runs.status = 'success' then runs.run_number else 0 end) as last_success,
        max(case when runs.status = 'failed' then runs.run_number else 0 end) as last_failure,
        count(case when runs.event_at < clock.day_before then 1 end) as runs_before,
        max(case when runs.status = 'success' and runs.event_at < clock.day_before then runs.run_number else 0 end)
            as last_success_before,
        max(case when runs.status = 'failed' and runs.event_at < clock.day_before then runs.run_number else 0 end)
            as last_failure_before,
        count(case when runs.status = 'failed' and runs.event_at >= clock.day_before then 1 end) as failed_runs_24h
    from visible_runs as runs
    cross join clock
    group by runs.pipeline_id

),

streak_starts as (

    select
        runs.pipeline_id,
        min(runs.run_number) as run_number
    from visible_runs as runs
    inner join counts
        on
            runs.pipeline_id = counts.pipeline_id
            -- The current streak begins after the last run of the other outcome.
            and runs.run_number > least(counts.last_success, counts.last_failure)
    where runs.status in ('success', 'failed') or counts.last_success + counts.last_failure = 0
    group by runs.pipeline_id

),

states as (

    select
        pipelines.*,
        counts.failed_runs_24h,
        first_runs.event_at as changed_at,
        latest.error_message as latest_error_message,
        case
            when counts.last_failure > counts.last_success then 'failing'
            when counts.last_failure < counts.last_success then 'healthy'
            when counts.runs > 0 then 'undecided'
            else 'never_run'
        end as state_now,
        case
            when counts.last_failure_before > counts.last_success_before then 'failing'
            when counts.last_failure_before < counts.last_success_before then 'healthy'
            when counts.runs_before > 0 then 'undecided'
            else 'never_run'
        end as state_before
    from active_pipelines as pipelines
    left join counts on pipelines.pipeline_id = counts.pipeline_id
    left join streak_starts on pipelines.pipeline_id = streak_starts.pipeline_id
    left join visible_runs as first_runs
        on
            streak_starts.pipeline_id = first_runs.pipeline_id
            and streak_starts.run_number = first_runs.run_number
    left join visible_runs as latest
        on
            counts.pipeline_id = latest.pipeline_id
            -- A pipeline's runs are numbered without gaps: the last number is their count.
            and counts.runs = latest.run_number

),

expected as (

    select
        *,
        case
            when state_before || ' to ' || state_now = 'failing to healthy' then 'recovered'
            when state_now = 'failing' then 'broke'
            else 'started'
        end as change_type
    from states
    where state_now != state_before

)

{{ reconcile(
    ref('q05_recent_changes'),
    'expected',
    ['pipeline_id'],
    [
        'client_id', 'client_name', 'pipeline_name', 'platform', 'environment', 'change_type', 'state_before',
        'state_now', 'changed_at', 'failed_runs_24h', 'latest_error_message',
    ]
) }}
