select
    {{ utc_week('firings.fired_at') }} as week_start,
    firings.alert_rule_id,
    firings.rule_type,
    firings.channel,
    firings.destination,
    count(*) as firings,
    count(distinct firings.pipeline_id) as pipelines
from {{ ref('alert_rule_firings') }} as firings
group by
    {{ utc_week('firings.fired_at') }},
    firings.alert_rule_id,
    firings.rule_type,
    firings.channel,
    firings.destination
order by week_start, firings desc, {{ binary_text('firings.alert_rule_id') }}
