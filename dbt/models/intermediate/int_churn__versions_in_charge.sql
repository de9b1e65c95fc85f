{{ config(tags=['publish', 'churn']) }}

with scored as (

    select distinct
        as_of_on,
        model_version,
        purpose

    from {{ ref('stg_predictions__churn') }}

    where purpose <> 'shadow'

),

deployments as (

    select *

    from {{ ref('stg_ops__deployments') }}

    where model = 'churn'

),

by_day as (

    select
        scored.*,
        deployments.deployment_id,
        deployments.effective_from,
        deployments.effective_from
            <= (scored.as_of_on + 1)::timestamp at time zone '{{ var("timezone") }}' as is_in_effect

    from scored

    inner join deployments using (model_version)

)

select distinct on (as_of_on)
    as_of_on,
    model_version,
    purpose

from by_day

-- Of the versions in effect when the day ended, the one released last; of a day before any, the first to take effect.
order by
    as_of_on,
    is_in_effect desc,
    case when is_in_effect then deployment_id end desc,
    effective_from,
    deployment_id desc,
    purpose desc
