{{ config(tags=['publish', 'churn', 'topics']) }}

with model_versions as (

    select * from {{ source('ops', 'model_versions') }}

)

select
    model,
    version as model_version,
    trained_at,
    (card -> 'config' ->> 'contact_budget_share')::double precision as contact_budget_share,
    card -> 'topics' as topics

from model_versions
