with expected as (

    select
        pipelines.*,
        clients.client_name,
        clients.is_active as is_client_active,
        platforms.platform_group,
        exists(
            select 1
            from ({{ staged_active_pipelines() }}) as active
            where active.pipeline_id = pipelines.pipeline_id
        ) as is_monitored
    from {{ ref('stg_pipelines') }} as pipelines
    left join {{ ref('stg_clients') }} as clients on pipelines.client_id = clients.client_id
    left join {{ ref('platforms') }} as platforms on pipelines.platform = platforms.platform

)

{{ reconcile(
    ref('dim_pipelines'),
    'expected',
    ['pipeline_id'],
    [
        'pipeline_name', 'client_id', 'client_name', 'platform', 'platform_group', 'pipeline_type', 'environment',
        'external_id', 'description', 'is_active', 'is_client_active', 'is_monitored', 'created_at', 'updated_at',
    ]
) }}
