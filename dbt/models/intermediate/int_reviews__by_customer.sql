with linked_authors as (

    select
        bridge.source,
        bridge.author_key,
        bridge.customer_id,
        loads.finished_at as linked_at

    from {{ ref('bridge_author_customer') }} as bridge

    left join {{ ref('stg_ops__loads') }} as loads using (load_id)

),

versions as (

    select
        linked_authors.customer_id,
        linked_authors.linked_at,
        versions.review_id,
        versions.version_no,
        versions.content_hash,
        (versions.valid_from at time zone '{{ var("timezone") }}')::date as known_on,
        (versions.valid_to at time zone '{{ var("timezone") }}')::date as superseded_on

    from {{ ref('int_reviews__versions') }} as versions

    inner join linked_authors using (source, author_key)

),

predictions as (

    select * from {{ ref('stg_predictions__sentiment') }}

    where purpose = 'live'

),

deployments as (

    select * from {{ ref('stg_ops__deployments') }}

    where model = 'sentiment'

),

scored as (

    select
        versions.*,
        predictions.model_version,
        predictions.label,
        predictions.event_at,
        predictions.scored_at

    from versions

    inner join predictions using (review_id, content_hash)

)

-- Of the versions whose effect had begun, the one released last was in charge.
select distinct on (scored.review_id, scored.version_no, scored.event_at, scored.model_version)
    scored.customer_id,
    scored.review_id,
    scored.version_no,
    scored.known_on,
    scored.superseded_on,
    (scored.event_at at time zone '{{ var("timezone") }}')::date as event_on,
    scored.model_version,
    scored.model_version = deployments.model_version as is_in_charge,
    scored.label = 'negative' as is_negative,
    greatest(scored.scored_at, scored.linked_at, deployments.live_from) as changed_at

from scored

inner join deployments on scored.event_at >= deployments.effective_from

order by
    scored.review_id,
    scored.version_no,
    scored.event_at,
    scored.model_version,
    deployments.live_from desc,
    deployments.deployment_id desc
