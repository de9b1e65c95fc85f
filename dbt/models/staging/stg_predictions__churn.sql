{{ config(tags=['publish', 'churn']) }}

with predictions as (

    select * from {{ source('predictions', 'churn') }}

)

select
    customer_id,
    as_of_on,
    model_version,
    churn_probability,
    is_predicted_leaver,
    expected_spend_60d,
    purpose,
    scored_at

from predictions
