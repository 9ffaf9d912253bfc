with runs as (

    select
        *,
        {{ utc_week('event_at') }} as week_start
    from {{ ref('int_visible_runs') }}

),

counts as (

    select
        weeks.week_start,
        clients.client_id,
        clients.client_name,
        {{ count_by_status() }}
    from {{ ref('int_weeks') }} as weeks
    cross join {{ ref('stg_clients') }} as clients
    left join runs
        on
            weeks.week_start = runs.week_start
            and clients.client_id = runs.client_id
    group by weeks.week_start, clients.client_id, clients.client_name

),

rates as (

    select
        *,
        {{ ratio('success_runs', 'total_runs') }} as success_rate,
        {{ ratio('failed_runs', 'total_runs') }} as failure_rate,
        {{ ratio('failed_runs', '(success_runs + failed_runs)') }} as decided_failure_rate
    from counts

),

trend as (

    select
        rates.*,
        {{ utc_midnight('rates.week_start + 7') }} <= clock.window_end as is_complete_week,
        lag(rates.failure_rate) over (
            partition by rates.client_id order by rates.week_start
        ) as previous_week_failure_rate
    from rates
    cross join {{ ref('int_monitoring_clock') }} as clock

)

select
    week_start,
    client_id,
    client_name,
    is_complete_week,
    total_runs,
    success_runs,
    failed_runs,
    canceled_runs,
    skipped_runs,
    running_runs,
    success_rate,
    failure_rate,
    decided_failure_rate,
    previous_week_failure_rate,
    failure_rate - previous_week_failure_rate as failure_rate_change
from trend
