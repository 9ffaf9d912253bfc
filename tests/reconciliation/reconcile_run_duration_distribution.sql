-- A run lies in the last bucket that begins at or below its duration.
with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

measured_runs as (

    select
        platform,
        pipeline_type,
        (
            select max(buckets.bucket_order)
            from {{ ref('duration_buckets') }} as buckets
            where buckets.bucket_from_seconds <= recent_runs.duration_seconds
        ) as bucket_order
    from recent_runs
    where duration_seconds is not null

),

counts as (

    select
        platform,
        pipeline_type,
        bucket_order,
        count(*) as runs
    from measured_runs
    group by platform, pipeline_type, bucket_order

),

pairs as (

    select distinct
        platform,
        pipeline_type
    from measured_runs

),

expected as (

    select
        pairs.platform,
        pairs.pipeline_type,
        buckets.*,
        coalesce(counts.runs, 0) as runs
    from pairs
    cross join {{ ref('duration_buckets') }} as buckets
    left join counts
        on
            pairs.platform = counts.platform
            and pairs.pipeline_type = counts.pipeline_type
            and buckets.bucket_order = counts.bucket_order

)

{{ reconcile(
    ref('run_duration_distribution'),
    'expected',
    ['platform', 'pipeline_type', 'bucket_order'],
    ['bucket_label', 'bucket_from_seconds', 'bucket_to_seconds', 'runs']
) }}
