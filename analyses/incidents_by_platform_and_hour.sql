select
    platform,
    cast(extract(hour from opened_at at time zone 'UTC') as integer) as utc_hour_of_day,
    count(*) as incidents,
    count(distinct client_id) as clients,
    sum(failed_runs) as failed_runs,
    avg(duration_seconds) / 3600 as mean_duration_hours
from {{ ref('incidents') }}
group by platform, cast(extract(hour from opened_at at time zone 'UTC') as integer)
order by {{ binary_text('platform') }}, utc_hour_of_day
