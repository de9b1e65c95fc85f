{{ config(tags=['publish']) }}

with model_versions as (

    select * from {{ source('ops', 'model_versions') }}

)

select
    model,
    version as model_version,
    trained_at,
    (card -> 'config' ->> 'contact_budget_share')::double precision as contact_budget_share

from model_versions
