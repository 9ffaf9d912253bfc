{# What every failure rate over a window stands on and says: one place for the counts, one for the rates. `window` is the columns' suffix: 7d or 30d. #}

{# The runs of the joined int_pipeline_run_counts, summed over pipelines; 0 where there is none. #}
{% macro summed_run_counts(window) -%}
    {%- for count in ['total', 'failed', 'decided'] -%}
    cast(coalesce(sum(run_counts.{{ count }}_runs_{{ window }}), 0) as bigint) as {{ count }}_runs_{{ window }}
    {%- if not loop.last %},
    {% endif -%}
    {%- endfor -%}
{%- endmacro %}

{# The failure rates of those counts, with the interval of the decided one. #}
{% macro failure_rates(window) -%}
    {%- set failed, decided = 'failed_runs_' ~ window, 'decided_runs_' ~ window -%}
    {{ ratio(failed, 'total_runs_' ~ window) }} as failure_rate_{{ window }},
    {{ ratio(failed, decided) }} as decided_failure_rate_{{ window }},
    {{ wilson_low(failed, decided) }} as failure_rate_{{ window }}_low,
    {{ wilson_high(failed, decided) }} as failure_rate_{{ window }}_high
{%- endmacro %}
