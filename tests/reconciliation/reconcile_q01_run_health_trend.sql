-- The counts of every week and client with a run; 1969-12-29 was a Monday.
with actual as (

    select * from {{ ref('q01_run_health_trend') }}
    where total_runs > 0

),

visible_runs as (

    {{ staged_visible_runs() }}

),

weekly_runs as (

    select
        *,
        cast('1969-12-29' as date) + 7 * {{ epoch_week('event_at') }} as week_start
    from visible_runs

),

counts as (

    select
        weekly_runs.week_start,
        weekly_runs.client_id,
        count(*) as total_runs,
        sum(case when weekly_runs.status = 'success' then 1 else 0 end) as success_runs,
        sum(case when weekly_runs.status = 'failed' then 1 else 0 end) as failed_runs,
        sum(case when weekly_runs.status = 'canceled' then 1 else 0 end) as canceled_runs,
        sum(case when weekly_runs.status = 'skipped' then 1 else 0 end) as skipped_runs,
        sum(case when weekly_runs.status = 'running' then 1 else 0 end) as running_runs
    from weekly_runs
    group by weekly_runs.week_start, weekly_runs.client_id

),

expected as (

    select
        counts.*,
        clients.client_name,
        {{ ratio('counts.failed_runs', 'counts.total_runs') }} as failure_rate,
        {{ ratio('previous.failed_runs', 'previous.total_runs') }} as previous_week_failure_rate
    from counts
    inner join {{ ref('stg_clients') }} as clients on counts.client_id = clients.client_id
    left join counts as previous
        on
            counts.client_id = previous.client_id
            and counts.week_start = previous.week_start + 7

)

{{ reconcile(
    'actual',
    'expected',
    ['client_id', 'week_start'],
    [
        'client_name', 'total_runs', 'success_runs', 'failed_runs', 'canceled_runs', 'skipped_runs', 'running_runs',
        'failure_rate', 'previous_week_failure_rate',
    ]
) }}
