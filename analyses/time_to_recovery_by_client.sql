-- An open incident has no time to recovery yet: it is counted, and left out of the mean.
with recoveries as (

    select
        *,
        case when not is_open then duration_seconds / 3600 end as hours_to_recovery
    from {{ ref('incidents') }}

)

select
    clients.client_name,
    count(*) as incidents,
    count(*) filter (where recoveries.is_open) as open_incidents,
    avg(recoveries.hours_to_recovery) as mean_hours_to_recovery,
    {{ percentile('recoveries.hours_to_recovery', 0.5) }} as median_hours_to_recovery,
    max(recoveries.hours_to_recovery) as longest_hours_to_recovery
from recoveries
inner join {{ ref('dim_clients') }} as clients on recoveries.client_id = clients.client_id
group by clients.client_name
order by mean_hours_to_recovery desc nulls last, {{ binary_text('clients.client_name') }}
