with decided_runs as (

    select
        *,
        lag(is_failure) over (partition by pipeline_id order by recency_rank desc) as was_failure
    from {{ ref('int_visible_runs') }}
    where is_decided

)

select
    *,
    sum(case when is_failure = was_failure then 0 else 1 end) over (
        partition by pipeline_id
        order by recency_rank desc
        rows between unbounded preceding and current row
    ) as streak_number
from decided_runs
