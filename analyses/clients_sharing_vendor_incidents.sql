-- Two clients share an incident if a vendor's jobs fail for both at the same time.
with vendor_incidents as (

    select
        incidents.*,
        clients.client_name,
        coalesce(incidents.closed_at, clock.as_of) as ended_at
    from {{ ref('incidents') }} as incidents
    inner join {{ ref('dim_pipelines') }} as pipelines on incidents.pipeline_id = pipelines.pipeline_id
    inner join {{ ref('dim_clients') }} as clients on incidents.client_id = clients.client_id
    cross join {{ ref('monitoring_clock') }} as clock
    where pipelines.platform_group = 'vendor_api'

),

shared_incidents as (

    select
        one.client_name,
        other.client_name as other_client_name,
        greatest(one.opened_at, other.opened_at) as shared_from,
        least(one.ended_at, other.ended_at) as shared_to
    from vendor_incidents as one
    inner join vendor_incidents as other
        on
            one.client_id < other.client_id
            and one.opened_at < other.ended_at
            and one.ended_at > other.opened_at

)

select
    client_name,
    other_client_name,
    count(*) as overlapping_incidents,
    min(shared_from) as first_shared_at,
    max(shared_from) as last_shared_at,
    max({{ seconds_between('shared_from', 'shared_to') }}) / 3600 as longest_overlap_hours
from shared_incidents
group by client_name, other_client_name
order by overlapping_incidents desc, {{ binary_text('client_name') }}, {{ binary_text('other_client_name') }}
