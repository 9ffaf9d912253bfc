with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

totals as (

    select
        client_id,
        count(*) as runs,
        sum(case when rows_processed is null then 0 else 1 end) as measured_runs,
        sum(coalesce(rows_processed, 0)) as total_rows
    from recent_runs
    group by client_id

),

expected as (

    select
        clients.client_id,
        clients.client_name,
        coalesce(totals.runs, 0) as total_runs_30d,
        coalesce(totals.measured_runs, 0) as measured_runs_30d,
        coalesce(totals.total_rows, 0) as total_rows_30d,
        {{ ratio('totals.total_rows', 'totals.measured_runs') }} as avg_rows_per_run
    from {{ ref('stg_clients') }} as clients
    left join totals on clients.client_id = totals.client_id
    where clients.is_active

)

{{ reconcile(
    ref('q06_client_throughput_stability'),
    'expected',
    ['client_id'],
    ['client_name', 'total_runs_30d', 'measured_runs_30d', 'total_rows_30d', 'avg_rows_per_run']
) }}
