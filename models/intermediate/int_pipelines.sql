with pipelines as (

    select * from {{ ref('stg_pipelines') }}

),

clients as (

    select * from {{ ref('stg_clients') }}

),

platforms as (

    select * from {{ ref('platforms') }}

)

select
    pipelines.pipeline_id,
    pipelines.pipeline_name,
    pipelines.client_id,
    clients.client_name,
    pipelines.platform,
    platforms.platform_group,
    pipelines.pipeline_type,
    pipelines.environment,
    pipelines.external_id,
    pipelines.description,
    pipelines.is_active,
    clients.is_active as is_client_active,
    pipelines.is_active and clients.is_active as is_monitored,
    pipelines.created_at,
    pipelines.updated_at
from pipelines
inner join clients on pipelines.client_id = clients.client_id
inner join platforms on pipelines.platform = platforms.platform
