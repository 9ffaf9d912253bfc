-- The median of the last 7 days against that of the 21 days before, where both have at least 5 successful runs.
with successful_runs as (

    select
        runs.pipeline_id,
        runs.duration_seconds,
        runs.event_at >= {{ add_hours('clock.window_end', -24 * 7) }} as is_recent
    from {{ ref('fct_runs') }} as runs
    cross join {{ ref('monitoring_clock') }} as clock
    where
        runs.is_visible
        and runs.status = 'success'
        and runs.duration_seconds is not null
        and runs.event_at >= {{ add_hours('clock.window_end', -24 * 28) }}

),

medians as (

    select
        pipeline_id,
        count(*) filter (where is_recent) as recent_runs,
        count(*) filter (where not is_recent) as earlier_runs,
        {{ percentile('case when is_recent then duration_seconds end', 0.5) }} as recent_median_seconds,
        {{ percentile('case when not is_recent then duration_seconds end', 0.5) }} as earlier_median_seconds
    from successful_runs
    group by pipeline_id

)

select
    pipelines.client_name,
    pipelines.pipeline_name,
    pipelines.platform,
    pipelines.pipeline_type,
    medians.recent_median_seconds,
    medians.earlier_median_seconds,
    {{ ratio('medians.recent_median_seconds', 'medians.earlier_median_seconds') }} as times_as_long
from medians
inner join {{ ref('dim_pipelines') }} as pipelines on medians.pipeline_id = pipelines.pipeline_id
where
    medians.recent_runs >= 5
    and medians.earlier_runs >= 5
    and medians.recent_median_seconds > medians.earlier_median_seconds
order by times_as_long desc nulls last, {{ binary_text('pipelines.pipeline_id') }}
