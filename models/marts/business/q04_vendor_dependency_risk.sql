with platform_groups as (

    select distinct platform_group from {{ ref('platforms') }}

),

counts as (

    select
        platform_groups.platform_group,
        cast(coalesce(sum(run_counts.total_runs_30d), 0) as bigint) as total_runs_30d,
        cast(coalesce(sum(run_counts.failed_runs_30d), 0) as bigint) as failed_runs_30d,
        cast(coalesce(sum(run_counts.decided_runs_30d), 0) as bigint) as decided_runs_30d,
        count(distinct run_counts.client_id) filter (where run_counts.is_monitored) as exposed_clients
    from platform_groups
    left join {{ ref('int_pipeline_run_counts') }} as run_counts
        on platform_groups.platform_group = run_counts.platform_group
    group by platform_groups.platform_group

),

rates as (

    select
        *,
        {{ ratio('failed_runs_30d', 'decided_runs_30d') }} as decided_failure_rate_30d,
        sum(total_runs_30d) over () as all_runs_30d,
        sum(failed_runs_30d) over () as all_failed_runs_30d
    from counts

)

select
    this_group.platform_group,
    this_group.total_runs_30d,
    this_group.failed_runs_30d,
    this_group.decided_runs_30d,
    {{ ratio('this_group.failed_runs_30d', 'this_group.total_runs_30d') }} as failure_rate_30d,
    this_group.decided_failure_rate_30d,
    {{ wilson_low('this_group.failed_runs_30d', 'this_group.decided_runs_30d') }} as failure_rate_30d_low,
    {{ wilson_high('this_group.failed_runs_30d', 'this_group.decided_runs_30d') }} as failure_rate_30d_high,
    {{ ratio('this_group.total_runs_30d', 'this_group.all_runs_30d') }} as share_of_runs,
    {{ ratio('this_group.failed_runs_30d', 'this_group.all_failed_runs_30d') }} as share_of_failures,
    {{ ratio('this_group.decided_failure_rate_30d', 'other_group.decided_failure_rate_30d') }} as relative_risk,
    this_group.exposed_clients
from rates as this_group
inner join rates as other_group on this_group.platform_group != other_group.platform_group
