with

source as (

    select * from {{ source('monitoring', 'alert_rules') }}

),

renamed as (

    select
        -- ids
        cast(id as text) as alert_rule_id,
        cast(client_id as text) as client_id,
        cast(pipeline_id as text) as pipeline_id,
        -- texts
        cast(rule_type as text) as rule_type,
        cast(channel as text) as channel,
        destination,
        -- numbers
        threshold,
        window_minutes,
        -- booleans
        is_enabled,
        -- times
        created_at,
        updated_at
    from source

)

select * from renamed
