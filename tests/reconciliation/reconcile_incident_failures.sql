-- Every visible failed run of a pipeline is counted in exactly one of its incidents.
with actual as (

    select
        pipeline_id,
        sum(failed_runs) as failed_runs
    from {{ ref('incidents') }}
    group by pipeline_id

),

visible_runs as (

    {{ staged_visible_runs() }}

),

expected as (

    select
        pipeline_id,
        count(*) as failed_runs
    from visible_runs
    where status = 'failed'
    group by pipeline_id

)

{{ reconcile('actual', 'expected', ['pipeline_id'], ['failed_runs']) }}
