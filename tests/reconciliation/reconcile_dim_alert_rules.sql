{{ reconcile(
    ref('dim_alert_rules'),
    ref('stg_alert_rules'),
    ['alert_rule_id'],
    [
        'client_id', 'pipeline_id', 'rule_type', 'threshold', 'window_minutes', 'channel', 'destination',
        'is_enabled', 'created_at', 'updated_at',
    ]
) }}
