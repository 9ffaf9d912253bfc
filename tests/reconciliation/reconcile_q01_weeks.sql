-- Every client has every week from the first visible run's to as_of's; 1969-12-29 was a Monday.
with actual as (

    select
        client_id,
        min(client_name) as client_name,
        count(*) as weeks,
        min(week_start) as first_week_start,
        max(week_start) as last_week_start,
        count(*) filter (where is_complete_week) as complete_weeks
    from {{ ref('q01_run_health_trend') }}
    group by client_id

),

visible_runs as (

    {{ staged_visible_runs() }}

),

bounds as (

    select
        min({{ epoch_week('visible_runs.event_at') }}) as first_week,
        max({{ epoch_week('clock.as_of') }}) as last_week,
        max({{ epoch_week('clock.window_end') }}) as week_of_window_end
    from visible_runs
    cross join {{ ref('monitoring_clock') }} as clock

),

expected as (

    select
        clients.client_id,
        clients.client_name,
        bounds.last_week - bounds.first_week + 1 as weeks,
        cast('1969-12-29' as date) + 7 * bounds.first_week as first_week_start,
        cast('1969-12-29' as date) + 7 * bounds.last_week as last_week_start,
        bounds.week_of_window_end - bounds.first_week as complete_weeks
    from {{ ref('stg_clients') }} as clients
    cross join bounds
    where bounds.first_week is not null

)

{{ reconcile(
    'actual',
    'expected',
    ['client_id'],
    ['client_name', 'weeks', 'first_week_start', 'last_week_start', 'complete_weeks']
) }}
