select
    client_id,
    client_name,
    is_active,
    created_at,
    updated_at
from {{ ref('stg_clients') }}
