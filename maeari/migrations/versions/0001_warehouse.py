"""Schemas, roles, landing tables, registry, predictions and monitoring."""

from alembic import op

revision = "0001"
down_revision = None

ROLES = ("crawler", "importer", "dbt", "ml", "monitor", "web", "analyst", "release")

TABLES = """
create schema raw;
create schema ops;
create schema predictions;
create schema monitoring;
create schema staging authorization maeari_dbt;
create schema intermediate authorization maeari_dbt;
create schema marts authorization maeari_dbt;
create schema features authorization maeari_dbt;

create table ops.crawls (
    crawl_id bigint generated always as identity primary key,
    source text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    pages integer not null default 0,
    items integer not null default 0,
    landed integer not null default 0,
    duplicates integer not null default 0,
    rejected integer not null default 0,
    redacted integer not null default 0,
    outcome text not null default 'running' check (outcome in ('running', 'finished', 'failed', 'abandoned')),
    message text,
    robots_verdict text,
    stats jsonb not null default '{}'
);
create index on ops.crawls (source, started_at);

create table ops.loads (
    load_id bigint generated always as identity primary key,
    source text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    items integer not null default 0,
    landed integer not null default 0,
    duplicates integer not null default 0,
    rejected integer not null default 0,
    outcome text not null default 'running' check (outcome in ('running', 'finished', 'failed', 'abandoned')),
    message text,
    complete_until timestamptz
);

create table raw.reviews (
    source text not null,
    source_review_id text not null,
    version_no integer not null check (version_no >= 1),
    content_hash text not null,
    subject_id text not null,
    subject_name text,
    author_key text,
    rating numeric,
    rating_max numeric,
    title text,
    body text not null,
    written_at timestamptz,
    written_at_precision text check (
        written_at_precision in ('second', 'minute', 'hour', 'day', 'week', 'month', 'year')
    ),
    url text not null,
    crawl_id bigint not null references ops.crawls,
    fetched_at timestamptz not null,
    primary key (source, source_review_id, version_no)
);

create table raw.articles (
    source text not null,
    source_article_id text not null,
    version_no integer not null check (version_no >= 1),
    content_hash text not null,
    title text not null,
    body text not null,
    section text,
    author_key text,
    published_at timestamptz,
    url text not null,
    crawl_id bigint not null references ops.crawls,
    fetched_at timestamptz not null,
    primary key (source, source_article_id, version_no)
);

create table raw.events (
    source text not null,
    event_id text not null,
    customer_id text,
    event_type text not null,
    occurred_at timestamptz not null,
    item_id text,
    quantity numeric,
    amount numeric,
    load_id bigint not null references ops.loads,
    primary key (source, event_id)
);

create table raw.rejected (
    rejected_id bigint generated always as identity primary key,
    source text not null,
    kind text not null,
    reason text not null,
    payload jsonb not null,
    payload_sha256 text not null,
    crawl_id bigint references ops.crawls,
    load_id bigint references ops.loads,
    rejected_at timestamptz not null default now(),
    unique (source, kind, reason, payload_sha256)
);

create table ops.training_sets (
    training_set_id text primary key,
    model text not null,
    known_until timestamptz not null,
    rows bigint not null,
    row_keys_sha256 text not null,
    query text not null,
    created_at timestamptz not null default now()
);

create table ops.model_versions (
    model text not null,
    version integer not null,
    trained_at timestamptz not null,
    training_set_id text not null references ops.training_sets,
    metrics jsonb not null,
    card jsonb not null,
    artifact_sha256 text not null,
    mlflow_run_id text not null,
    primary key (model, version)
);

create table ops.deployments (
    deployment_id bigint generated always as identity primary key,
    model text not null,
    version integer not null,
    live_from timestamptz not null,
    live_to timestamptz,
    effective_from timestamptz not null,
    approved_by text not null,
    approved_at timestamptz not null,
    evidence jsonb not null,
    is_replay boolean not null default false,
    foreign key (model, version) references ops.model_versions,
    check (live_to >= live_from)
);
create unique index one_live_version_per_model on ops.deployments (model) where live_to is null;

create function ops.promote(
    p_model text,
    p_version integer,
    p_expected_live_version integer,
    p_artifact_sha256 text,
    p_approved_by text,
    p_approved_at timestamptz,
    p_effective_from timestamptz,
    p_evidence jsonb,
    p_is_replay boolean
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    registered_sha256 text;
    live_version integer;
    opened bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('promote ' || p_model, 0));
    select artifact_sha256 into registered_sha256
    from ops.model_versions where model = p_model and version = p_version;
    if registered_sha256 is distinct from p_artifact_sha256 then
        raise exception 'artifact of % version % is %, the evidence saw %',
            p_model, p_version, coalesce(registered_sha256, 'not registered'), p_artifact_sha256;
    end if;
    select version into live_version from ops.deployments where model = p_model and live_to is null;
    if live_version is distinct from p_expected_live_version then
        raise exception 'live version of % is %, the evidence was compared with %',
            p_model, coalesce(live_version::text, 'none'), coalesce(p_expected_live_version::text, 'none');
    end if;
    if coalesce(p_approved_by, '') = '' then
        raise exception 'a release of % needs the name of the person who approved it', p_model;
    end if;
    update ops.deployments set live_to = clock_timestamp() where model = p_model and live_to is null;
    insert into ops.deployments (
        model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay
    ) values (
        p_model, p_version, clock_timestamp(), p_effective_from, p_approved_by, p_approved_at,
        p_evidence, p_is_replay
    ) returning deployment_id into opened;
    return opened;
end
$$;
revoke all on function ops.promote from public;

create table predictions.sentiment (
    review_id text not null,
    content_hash text not null,
    model_version integer not null,
    positive_probability double precision not null check (positive_probability between 0 and 1),
    label text not null check (label in ('positive', 'negative', 'unsure')),
    event_at timestamptz not null,
    scored_at timestamptz not null,
    purpose text not null check (purpose in ('live', 'shadow', 'backfill')),
    primary key (review_id, content_hash, model_version, event_at)
) partition by range (event_at);

create function predictions.ensure_sentiment_month(p_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    month timestamptz := date_trunc('month', p_at, 'UTC');
begin
    execute format(
        'create table if not exists predictions.%I partition of predictions.sentiment for values from (%L) to (%L)',
        'sentiment_' || to_char(month at time zone 'UTC', 'YYYY_MM'),
        month,
        date_add(month, interval '1 month', 'UTC')
    );
end
$$;
revoke all on function predictions.ensure_sentiment_month from public;

create table predictions.churn (
    customer_id text not null,
    as_of_on date not null,
    model_version integer not null,
    churn_probability double precision not null check (churn_probability between 0 and 1),
    purpose text not null check (purpose in ('live', 'shadow', 'backfill')),
    scored_at timestamptz not null,
    primary key (customer_id, as_of_on, model_version)
);

create table monitoring.metrics (
    model text not null,
    model_version integer not null,
    window_start date not null,
    window_end date not null,
    segment text not null,
    metric text not null,
    kind text not null check (kind in ('drift', 'estimated', 'realized')),
    value double precision,
    low double precision,
    high double precision,
    rows bigint not null,
    primary key (model, model_version, window_start, window_end, segment, metric, kind)
);

create table monitoring.verdicts (
    model text not null,
    model_version integer not null,
    window_start date not null,
    window_end date not null,
    verdict text not null check (
        verdict in ('stable', 'drifted', 'declined', 'too_few_rows', 'labels_pending')
    ),
    reasons jsonb not null,
    rows bigint not null,
    provisional_until date,
    inputs_sha256 text not null default '',
    decided_at timestamptz not null default now(),
    primary key (model, model_version, window_start, window_end)
);

create table monitoring.reports (
    model text not null,
    window_start date not null,
    window_end date not null,
    path text not null,
    created_at timestamptz not null default now(),
    primary key (model, window_start, window_end, path)
);
"""

GRANTS = """
grant usage on schema raw, ops to maeari_crawler, maeari_importer, maeari_dbt, maeari_web, maeari_monitor;
grant insert on raw.reviews, raw.articles, raw.rejected to maeari_crawler;
grant select (source, source_review_id, version_no, content_hash, written_at, written_at_precision) on raw.reviews
    to maeari_crawler;
grant select (source, source_article_id, version_no, content_hash, url, published_at) on raw.articles
    to maeari_crawler;
grant select (source, kind, reason, payload_sha256) on raw.rejected to maeari_crawler;
grant select, insert on ops.crawls to maeari_crawler;
grant update (finished_at, pages, items, landed, duplicates, rejected, redacted, outcome, message, robots_verdict,
    stats) on ops.crawls to maeari_crawler;

grant insert on raw.events, raw.rejected to maeari_importer;
grant select (source, event_id) on raw.events to maeari_importer;
grant select (source, kind, reason, payload_sha256) on raw.rejected to maeari_importer;
grant select, insert on ops.loads to maeari_importer;
grant update (finished_at, items, landed, duplicates, rejected, outcome, message, complete_until)
    on ops.loads to maeari_importer;

grant usage on schema predictions to maeari_dbt, maeari_ml, maeari_monitor, maeari_web, maeari_analyst;
grant usage on schema monitoring to maeari_monitor, maeari_web, maeari_analyst;
grant usage on schema ops to maeari_ml, maeari_release;
grant usage on schema staging, intermediate, marts, features to maeari_ml, maeari_monitor, maeari_web;
grant usage on schema marts, features to maeari_analyst;

grant select on all tables in schema raw, ops, predictions to maeari_dbt;
grant select on all tables in schema ops to maeari_ml, maeari_monitor, maeari_web, maeari_release;
grant select on all tables in schema raw to maeari_web;
grant insert on ops.training_sets, ops.model_versions to maeari_ml;
grant select, insert, update, delete on predictions.sentiment, predictions.churn to maeari_ml;
grant execute on function predictions.ensure_sentiment_month to maeari_ml;
grant execute on function ops.promote to maeari_release;
grant select on all tables in schema predictions to maeari_monitor, maeari_web, maeari_analyst;
grant select, insert, update, delete on all tables in schema monitoring to maeari_monitor;
grant select on all tables in schema monitoring to maeari_web, maeari_analyst;

alter default privileges for role maeari_dbt in schema intermediate grant select on tables
    to maeari_ml, maeari_monitor;
alter default privileges for role maeari_dbt in schema marts, features grant select on tables
    to maeari_ml, maeari_monitor, maeari_web, maeari_analyst;

alter role maeari_analyst set statement_timeout = '60s';
alter role maeari_analyst set default_transaction_read_only = on;
"""


def upgrade() -> None:
    for role in ROLES:
        # Roles belong to the server, not to the database: another warehouse may have made them.
        op.execute(f"do $$ begin create role maeari_{role} login; exception when duplicate_object then null; end $$")
    # A server of one's own may give an owner who is no superuser: membership lets it set defaults for dbt.
    op.execute("grant maeari_dbt to current_user")
    op.execute(
        "do $$ begin "
        "execute format('revoke all on database %I from public', current_database()); "
        "execute format('grant connect on database %I to "
        + ", ".join(f"maeari_{role}" for role in ROLES)
        + "', current_database()); "
        "execute format('grant temporary on database %I to maeari_crawler, maeari_importer, maeari_ml, "
        "maeari_monitor, maeari_dbt', current_database()); "
        "end $$"
    )
    op.execute("revoke all on schema public from public")
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
