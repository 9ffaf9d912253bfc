-- Choose another client by name: where client_name = 'Acme AG'.
with chosen_client as (

    select client_id
    from {{ ref('q02_client_risk_ranking') }}
    where risk_rank = 1

)

select
    cast(hourly.hour_start at time zone 'UTC' as date) as utc_day,
    sum(hourly.total_runs) as total_runs,
    sum(hourly.failed_runs) as failed_runs,
    {{ ratio('sum(hourly.failed_runs)', 'sum(hourly.total_runs)') }} as failure_rate,
    sum(hourly.rows_processed) as rows_processed
from {{ ref('fct_pipeline_hourly') }} as hourly
inner join chosen_client on hourly.client_id = chosen_client.client_id
cross join {{ ref('monitoring_clock') }} as clock
where hourly.hour_start >= {{ add_hours('clock.window_end', -24 * 30) }}
group by cast(hourly.hour_start at time zone 'UTC' as date)
order by utc_day
