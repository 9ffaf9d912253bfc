select
    rules.alert_rule_id,
    pipelines.pipeline_id,
    rules.rule_type,
    rules.threshold,
    rules.window_minutes,
    rules.channel,
    rules.destination
from {{ ref('stg_alert_rules') }} as rules
inner join {{ ref('int_pipelines') }} as pipelines
    on
        (rules.pipeline_id is null or rules.pipeline_id = pipelines.pipeline_id)
        and (rules.client_id is null or rules.client_id = pipelines.client_id)
where rules.is_enabled
