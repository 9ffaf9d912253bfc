with measured_runs as (

    select * from {{ ref('int_visible_runs') }}
    where is_in_30d and duration_seconds is not null

),

pairs as (

    select distinct
        platform,
        pipeline_type
    from measured_runs

)

select
    pairs.platform,
    pairs.pipeline_type,
    buckets.bucket_order,
    buckets.bucket_label,
    buckets.bucket_from_seconds,
    buckets.bucket_to_seconds,
    count(runs.run_id) as runs
from pairs
cross join {{ ref('duration_buckets') }} as buckets
left join measured_runs as runs
    on
        pairs.platform = runs.platform
        and pairs.pipeline_type = runs.pipeline_type
        and buckets.bucket_from_seconds <= runs.duration_seconds
        and (buckets.bucket_to_seconds > runs.duration_seconds or buckets.bucket_to_seconds is null)
group by
    pairs.platform,
    pairs.pipeline_type,
    buckets.bucket_order,
    buckets.bucket_label,
    buckets.bucket_from_seconds,
    buckets.bucket_to_seconds
