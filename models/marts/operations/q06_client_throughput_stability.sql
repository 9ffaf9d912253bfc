with runs as (

    select
        client_id,
        run_id,
        cast(rows_processed as double precision) as rows_processed,
        rows_processed as whole_rows_processed
    from {{ ref('int_visible_runs') }}
    where is_in_30d

),

measures as (

    select
        clients.client_id,
        clients.client_name,
        count(runs.run_id) as total_runs_30d,
        count(runs.rows_processed) as measured_runs_30d,
        cast(coalesce(sum(runs.whole_rows_processed), 0) as bigint) as total_rows_30d,
        avg(runs.rows_processed) as avg_rows_per_run,
        stddev_pop(runs.rows_processed) as stddev_rows_per_run
    from {{ ref('stg_clients') }} as clients
    left join runs on clients.client_id = runs.client_id
    where clients.is_active
    group by clients.client_id, clients.client_name

)

select
    client_id,
    client_name,
    total_runs_30d,
    measured_runs_30d,
    total_rows_30d,
    avg_rows_per_run,
    case
        when measured_runs_30d >= 2 then {{ ratio('stddev_rows_per_run', 'avg_rows_per_run') }}
    end as throughput_cv
from measures
