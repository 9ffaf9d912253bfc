{# The counts of runs of every status and of each, as columns total_runs, success_runs ... #}
{% macro count_by_status() -%}
    count(run_id) as total_runs
    {%- for status in ['success', 'failed', 'canceled', 'skipped', 'running'] %},
    count(run_id) filter (where status = '{{ status }}') as {{ status }}_runs
    {%- endfor %}
{%- endmacro %}
