with decided_runs as (

    select * from {{ ref('int_decided_runs') }}

),

streaks as (

    select
        pipeline_id,
        streak_number,
        is_failure,
        count(*) as decided_runs,
        max(recency_rank) as first_recency_rank,
        min(recency_rank) as last_recency_rank
    from decided_runs
    group by pipeline_id, streak_number, is_failure

)

select
    streaks.pipeline_id,
    streaks.streak_number,
    streaks.is_failure,
    streaks.decided_runs,
    first_runs.run_id as first_run_id,
    last_runs.run_id as last_run_id,
    first_runs.event_at as first_event_at,
    first_runs.error_message as first_error_message,
    last_runs.error_message as last_error_message,
    last_runs.status_reason as last_status_reason,
    -- The run that ends a streak is the first of the next one.
    lead(first_runs.event_at) over (
        partition by streaks.pipeline_id order by streaks.streak_number
    ) as ended_at,
    row_number() over (
        partition by streaks.pipeline_id order by streaks.streak_number desc
    ) = 1 as is_current
from streaks
inner join decided_runs as first_runs
    on
        streaks.pipeline_id = first_runs.pipeline_id
        and streaks.first_recency_rank = first_runs.recency_rank
inner join decided_runs as last_runs
    on
        streaks.pipeline_id = last_runs.pipeline_id
        and streaks.last_recency_rank = last_runs.recency_rank
