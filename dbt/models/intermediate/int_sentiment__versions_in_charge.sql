{{ config(tags=['publish', 'sentiment']) }}

with deployments as (

    select
        model_version,
        effective_from,
        min(effective_from) over released_later as effective_until

    from {{ ref('stg_ops__deployments') }}

    where model = 'sentiment'

    window released_later as (
        order by live_from, deployment_id rows between 1 following and unbounded following
    )

)

-- Of the versions in effect, the one released last; of a time before any, the first to take effect.
select
    model_version,
    case when effective_from > min(effective_from) over () then effective_from else '-infinity' end as since,
    coalesce(effective_until, 'infinity') as until

from deployments

where effective_until is null or effective_until > effective_from
