{# The rows in which two sets of rows differ, missing ones on either side included; none where they agree. Each side is a relation or the name of a CTE. Repeated keys are the key tests' matter. #}
{% macro reconcile(actual, expected, keys, columns=[]) -%}
select
    {%- for key in keys %}
    coalesce(actual.{{ key }}, expected.{{ key }}) as {{ key }},
    {%- endfor %}
    {%- for column in columns %}
    actual.{{ column }} as actual_{{ column }},
    expected.{{ column }} as expected_{{ column }},
    {%- endfor %}
    case
        when expected.{{ keys[0] }} is null then 'unexpected'
        when actual.{{ keys[0] }} is null then 'missing'
        else 'different'
    end as difference
from {{ actual }} as actual
full outer join {{ expected }} as expected
    on
        {%- for key in keys %}
        {{ 'and ' if not loop.first }}actual.{{ key }} = expected.{{ key }}
        {%- endfor %}
where
    actual.{{ keys[0] }} is null
    or expected.{{ keys[0] }} is null
    {%- for column in columns %}
    or actual.{{ column }} is distinct from expected.{{ column }}
    {%- endfor %}
{%- endmacro %}

{# The runs that marts may see, with their pipeline's columns, straight from staging; with `hours`, those of the window that ends at window_end. run_number counts a pipeline's runs in run order, the oldest first. #}
{% macro staged_visible_runs(hours=none) -%}
select
    runs.*,
    pipelines.client_id,
    pipelines.platform,
    pipelines.pipeline_type,
    pipelines.environment,
    row_number() over (
        partition by runs.pipeline_id
        order by
            runs.started_at asc nulls first,
            runs.finished_at asc nulls first,
            {{ binary_text('runs.run_id') }}
    ) as run_number
from {{ ref('stg_runs') }} as runs
inner join {{ ref('stg_pipelines') }} as pipelines on runs.pipeline_id = pipelines.pipeline_id
cross join {{ ref('monitoring_clock') }} as clock
where
    runs.event_at <= clock.as_of
    {%- if hours %}
    and runs.event_at >= {{ add_hours('clock.window_end', -hours) }}
    {%- endif %}
{%- endmacro %}

{# The pipelines that standing lists show, with their client's name, straight from staging. #}
{% macro staged_active_pipelines() -%}
select
    pipelines.*,
    clients.client_name
from {{ ref('stg_pipelines') }} as pipelines
inner join {{ ref('stg_clients') }} as clients on pipelines.client_id = clients.client_id
where pipelines.is_active and clients.is_active
{%- endmacro %}

{# The ISO week in UTC, counted from the one that holds 1970-01-01: arithmetic on the epoch, without a calendar. Day 0 was a Thursday. #}
{% macro epoch_week(instant) -%}
cast(floor((extract(epoch from {{ instant }}) / 86400 + 3) / 7) as integer)
{%- endmacro %}

{# A mart that counts the pipelines and the runs of 30 days for each value of a seed's column `key`. #}
{% macro reconcile_counts_30d(mart, kinds, key) -%}
with recent_runs as (

    {{ staged_visible_runs(hours=24 * 30) }}

),

active_pipelines as (

    {{ staged_active_pipelines() }}

),

expected as (

    select
        kinds.{{ key }},
        (
            select count(*) from active_pipelines
            where active_pipelines.{{ key }} = kinds.{{ key }}
        ) as active_pipelines,
        (
            select count(*) from recent_runs
            where recent_runs.{{ key }} = kinds.{{ key }}
        ) as total_runs_30d,
        (
            select count(*) from recent_runs
            where recent_runs.{{ key }} = kinds.{{ key }} and recent_runs.status = 'failed'
        ) as failed_runs_30d,
        (
            select count(*) from recent_runs
            where
                recent_runs.{{ key }} = kinds.{{ key }}
                and recent_runs.status in ('success', 'failed')
        ) as decided_runs_30d
    from {{ kinds }} as kinds

)

{{ reconcile(
    mart,
    'expected',
    [key],
    ['active_pipelines', 'total_runs_30d', 'failed_runs_30d', 'decided_runs_30d']
) }}
{%- endmacro %}
