select
    as_of,
    window_end,
    clock_source
from {{ ref('int_monitoring_clock') }}
