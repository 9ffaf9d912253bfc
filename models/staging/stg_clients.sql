with

source as (

    select * from {{ source('monitoring', 'clients') }}

),

renamed as (

    select
        -- ids
        cast(id as text) as client_id,

        -- texts
        name as client_name,

        -- booleans
        is_active,

        -- times
        created_at,
        updated_at
    from source

)

select * from renamed
