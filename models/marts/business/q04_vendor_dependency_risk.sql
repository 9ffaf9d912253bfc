with platform_groups as (

    select distinct platform_group from {{ ref('platforms') }}

),

counts as (

    select
        platform_groups.platform_group,
        {{ summed_run_counts('30d') }},
        count(distinct run_counts.client_id) filter (where run_counts.is_monitored) as exposed_clients
    from platform_groups
    left join {{ ref('int_pipeline_run_counts') }} as run_counts
        on platform_groups.platform_group = run_counts.platform_group
    group by platform_groups.platform_group

),

rates as (

    select
        *,
        {{ failure_rates('30d') }},
        sum(total_runs_30d) over () as all_runs_30d,
        sum(failed_runs_30d) over () as all_failed_runs_30d
    from counts

)

select
    this_group.platform_group,
    this_group.total_runs_30d,
    this_group.failed_runs_30d,
    this_group.decided_runs_30d,
    this_group.failure_rate_30d,
    this_group.decided_failure_rate_30d,
    this_group.failure_rate_30d_low,
    this_group.failure_rate_30d_high,
    {{ ratio('this_group.total_runs_30d', 'this_group.all_runs_30d') }} as share_of_runs,
    {{ ratio('this_group.failed_runs_30d', 'this_group.all_failed_runs_30d') }} as share_of_failures,
    {{ ratio('this_group.decided_failure_rate_30d', 'other_group.decided_failure_rate_30d') }} as relative_risk,
    this_group.exposed_clients
from rates as this_group
inner join rates as other_group on this_group.platform_group != other_group.platform_group
