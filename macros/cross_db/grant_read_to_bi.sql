{# Post-hook of every mart: let the BI role read it. A hook instead of the config `grants`, which fails a build where the role does not exist. #}
{% macro grant_read_to_bi(relation) -%}
    {{ return(adapter.dispatch('grant_read_to_bi', 'chm')(relation)) }}
{%- endmacro %}

{# DuckDB has no roles. #}
{% macro default__grant_read_to_bi(relation) -%}
{%- endmacro %}

{% macro postgres__grant_read_to_bi(relation) -%}
    {%- set role = env_var('CHM_BI_ROLE', 'chm_bi') -%}
    do $grant$
    begin
        if exists (select 1 from pg_roles where rolname = '{{ role }}') then
            -- Two threads that grant on one schema at the same time fail: one after the other.
            if not has_schema_privilege('{{ role }}', '{{ relation.schema }}', 'usage') then
                perform pg_advisory_xact_lock(hashtextextended('grant_read_to_bi', 0));
                grant usage on schema {{ relation.schema }} to "{{ role }}";
            end if;
            grant select on {{ relation }} to "{{ role }}";
        end if;
    end
    $grant$
{%- endmacro %}
