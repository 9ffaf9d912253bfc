with clock as (

    select * from {{ ref('int_monitoring_clock') }}

),

moments as (

    select
        'now' as moment,
        window_end as seen_before
    from clock
    union all
    select
        'day_before' as moment,
        {{ add_hours('window_end', -24) }} as seen_before
    from clock

),

latest as (

    select
        pipelines.pipeline_id,
        moments.moment,
        count(runs.run_id) as runs,
        min(runs.recency_rank) filter (where runs.is_decided) as decided_rank,
        min(runs.recency_rank) filter (where runs.is_failure) as failure_rank
    from {{ ref('int_pipelines') }} as pipelines
    cross join moments
    left join {{ ref('int_visible_runs') }} as runs
        on
            pipelines.pipeline_id = runs.pipeline_id
            and moments.seen_before > runs.event_at
    group by pipelines.pipeline_id, moments.moment

)

select
    pipeline_id,
    moment,
    case
        when runs = 0 then 'never_run'
        when decided_rank is null then 'undecided'
        when failure_rank = decided_rank then 'failing'
        else 'healthy'
    end as health_state
from latest
