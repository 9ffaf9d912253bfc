{# A share or quotient as a double; null where the denominator is 0 or null. #}
{% macro ratio(numerator, denominator) -%}
    (cast({{ numerator }} as double precision) / nullif({{ denominator }}, 0))
{%- endmacro %}

{# z of a 95 % interval: the 97.5th percentile of the standard normal distribution. #}
{% macro z_95() -%} 1.959963984540054 {%- endmacro %}

{# Lower end of the 95 % Wilson score interval of `hits` out of `trials` (Wilson 1927); null without a trial. #}
{% macro wilson_low(hits, trials) -%}
    case
        when {{ trials }} = 0 then null
        -- Exactly 0, not a rounding error above it: ranks break ties on this value.
        when {{ hits }} = 0 then cast(0 as double precision)
        else {{ wilson_bound(hits, trials, '-') }}
    end
{%- endmacro %}

{# Upper end of the 95 % Wilson score interval; null without a trial. #}
{% macro wilson_high(hits, trials) -%}
    case
        when {{ trials }} = 0 then null
        when {{ hits }} = {{ trials }} then cast(1 as double precision)
        else {{ wilson_bound(hits, trials, '+') }}
    end
{%- endmacro %}

{# (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), multiplied out by n. #}
{% macro wilson_bound(hits, trials, sign) -%}
    (
        {{ hits }} + power({{ z_95() }}, 2) / 2
        {{ sign }} {{ z_95() }} * sqrt(
            cast({{ hits }} as double precision) * ({{ trials }} - {{ hits }}) / {{ trials }}
            + power({{ z_95() }}, 2) / 4
        )
    ) / ({{ trials }} + power({{ z_95() }}, 2))
{%- endmacro %}

{# Shannon entropy, in bits, of a yes-no outcome with probability p; 0 at 0 and 1, null at null. #}
{% macro binary_entropy(p) -%}
    case
        when {{ p }} in (0, 1) then cast(0 as double precision)
        else -({{ p }} * ln({{ p }}) + (1 - {{ p }}) * ln(1 - {{ p }})) / ln(cast(2 as double precision))
    end
{%- endmacro %}

{# A percentile by linear interpolation between the two nearest values; an aggregate. #}
{% macro percentile(value, fraction) -%}
    percentile_cont({{ fraction }}) within group (order by {{ value }})
{%- endmacro %}
