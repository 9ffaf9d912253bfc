select
    alert_rule_id,
    client_id,
    pipeline_id,
    rule_type,
    threshold,
    window_minutes,
    channel,
    destination,
    is_enabled,
    created_at,
    updated_at
from {{ ref('stg_alert_rules') }}
