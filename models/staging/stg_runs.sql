with

source as (

    select * from {{ source('monitoring', 'runs') }}

),

renamed as (

    select
        -- ids
        cast(id as text) as run_id,
        cast(pipeline_id as text) as pipeline_id,
        external_run_id,
        -- texts
        cast(status as text) as status,
        error_message,
        status_reason,
        payload,
        -- numbers
        duration_seconds,
        rows_processed,
        -- times
        started_at,
        finished_at,
        coalesce(finished_at, started_at, created_at) as event_at,
        ingested_at,
        created_at,
        updated_at
    from source

)

select * from renamed
