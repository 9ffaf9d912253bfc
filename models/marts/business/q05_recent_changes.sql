with health_changes as (

    select
        pipeline_id,
        max(health_state) filter (where moment = 'day_before') as state_before,
        max(health_state) filter (where moment = 'now') as state_now
    from {{ ref('int_pipeline_health') }}
    group by pipeline_id

),

current_streaks as (

    select * from {{ ref('int_status_streaks') }}
    where is_current

),

first_runs as (

    select
        *,
        row_number() over (partition by pipeline_id order by recency_rank desc) as run_number
    from {{ ref('int_visible_runs') }}

)

select
    status.client_id,
    status.client_name,
    status.pipeline_id,
    status.pipeline_name,
    status.platform,
    status.environment,
    case
        when changes.state_before = 'failing' and changes.state_now = 'healthy' then 'recovered'
        when changes.state_now = 'failing' then 'broke'
        else 'started'
    end as change_type,
    changes.state_before,
    changes.state_now,
    coalesce(current_streaks.first_event_at, first_runs.event_at) as changed_at,
    run_counts.failed_runs_24h,
    status.latest_error_message
from {{ ref('q03_latest_pipeline_status') }} as status
inner join health_changes as changes on status.pipeline_id = changes.pipeline_id
inner join {{ ref('int_pipeline_run_counts') }} as run_counts on status.pipeline_id = run_counts.pipeline_id
left join current_streaks on status.pipeline_id = current_streaks.pipeline_id
left join first_runs
    on
        status.pipeline_id = first_runs.pipeline_id
        and first_runs.run_number = 1
where changes.state_before != changes.state_now
