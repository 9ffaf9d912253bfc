with runs as (

    select
        *,
        {{ utc_hour('event_at') }} as hour_start
    from {{ ref('int_visible_runs') }}

)

select
    hour_start,
    pipeline_id,
    client_id,
    platform,
    environment,
    {{ count_by_status() }},
    cast(coalesce(sum(rows_processed), 0) as bigint) as rows_processed,
    cast(coalesce(sum(duration_seconds) filter (where status = 'success'), 0) as bigint)
        as success_duration_seconds
from runs
group by hour_start, pipeline_id, client_id, platform, environment
