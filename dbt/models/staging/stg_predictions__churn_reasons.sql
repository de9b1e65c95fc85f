{{ config(tags=['publish', 'churn']) }}

with reasons as (

    select * from {{ source('predictions', 'churn_reasons') }}

)

select
    customer_id,
    as_of_on,
    model_version,
    method,
    rank,
    feature,
    value,
    contribution,
    reason

from reasons
