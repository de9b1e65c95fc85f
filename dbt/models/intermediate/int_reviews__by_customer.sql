-- What becomes known after completeness was read counts as new to the next build: so it is read first.
-- depends_on: {{ ref('int_events__completeness') }}
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
        versions.review_id,
        versions.version_no,
        versions.content_hash,
        versions.valid_from,
        versions.valid_to,
        coalesce(versions.written_at, versions.valid_from) as event_at,
        greatest(linked_authors.linked_at, versions.fetched_at, crawls.finished_at) as landed_at

    from {{ ref('int_reviews__versions') }} as versions

    inner join linked_authors using (source, author_key)

    left join {{ ref('stg_ops__crawls') }} as crawls using (crawl_id)

),

deployments as (

    select * from {{ ref('stg_ops__deployments') }}

    where model = 'sentiment'

),

predictions as (

    select * from {{ ref('stg_predictions__sentiment') }}

    where purpose = 'live'

),

in_charge as (

    -- Of the model versions whose effect had begun, the one released last was in charge.
    select distinct on (versions.review_id, versions.version_no)
        versions.*,
        deployments.model_version,
        deployments.live_from

    from versions

    left join deployments on versions.event_at >= deployments.effective_from

    order by versions.review_id, versions.version_no, deployments.live_from desc, deployments.deployment_id desc

)

select
    in_charge.customer_id,
    in_charge.review_id,
    in_charge.version_no,
    (in_charge.event_at at time zone '{{ var("timezone") }}')::date as written_on,
    (in_charge.valid_from at time zone '{{ var("timezone") }}')::date as known_on,
    (in_charge.valid_to at time zone '{{ var("timezone") }}')::date as superseded_on,
    in_charge.model_version,
    -- Not by the label, whose third answer would count as not negative.
    predictions.positive_probability < 0.5 as is_negative,
    greatest(in_charge.landed_at, in_charge.live_from, predictions.scored_at) as changed_at

from in_charge

left join predictions using (review_id, content_hash, event_at, model_version)
