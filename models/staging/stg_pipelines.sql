with

source as (

    select * from {{ source('monitoring', 'pipelines') }}

),

renamed as (

    select
        -- ids
        cast(id as text) as pipeline_id,
        cast(client_id as text) as client_id,
        external_id,

        -- texts
        name as pipeline_name,
        cast(platform as text) as platform,
        cast(pipeline_type as text) as pipeline_type,
        cast(environment as text) as environment,
        description,

        -- booleans
        is_active,

        -- times
        created_at,
        updated_at
    from source

)

select * from renamed
