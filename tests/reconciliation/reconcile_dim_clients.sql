{{ reconcile(
    ref('dim_clients'), ref('stg_clients'), ['client_id'], ['client_name', 'is_active', 'created_at', 'updated_at']
) }}
