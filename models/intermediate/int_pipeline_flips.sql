with decided_runs as (

    select
        pipeline_id,
        is_failure,
        lag(is_failure) over (partition by pipeline_id order by recency_rank desc) as was_failure,
        lead(is_failure) over (partition by pipeline_id order by recency_rank desc) as will_be_failure
    from {{ ref('int_decided_runs') }}
    where is_in_30d

)

select
    pipeline_id,
    count(*) filter (where is_failure != was_failure) as flips_30d,
    count(*) filter (where is_failure and not was_failure and not will_be_failure)
        as transient_failures_30d
from decided_runs
group by pipeline_id
