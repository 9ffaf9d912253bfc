select
    pipeline_id,
    pipeline_name,
    client_id,
    client_name,
    platform,
    platform_group,
    pipeline_type,
    environment,
    external_id,
    description,
    is_active,
    is_client_active,
    is_monitored,
    created_at,
    updated_at
from {{ ref('int_pipelines') }}
