with deployments as (

    select * from {{ source('ops', 'deployments') }}

)

select
    deployment_id,
    model,
    version as model_version,
    live_from,
    live_to,
    effective_from,
    is_replay,
    evidence

from deployments
