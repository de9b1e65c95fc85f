"""What an import counted, whose review authors are customers, and why a customer is thought to leave."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
alter table ops.loads
    add column kind text not null default 'events' check (kind in ('events', 'authors')),
    add column origin text,
    -- Between which times the events lie that this load landed: which months must be counted anew.
    add column first_event_at timestamptz,
    add column last_event_at timestamptz,
    add column stats jsonb not null default '{}';

-- A look at ops.loads for each event takes longer than to land it; an import writes its load first, and deletes none.
alter table raw.events drop constraint events_load_id_fkey;

create table raw.customer_authors (
    source text not null,
    author_key text not null,
    customer_id text not null,
    load_id bigint not null references ops.loads,
    primary key (source, author_key)
);

alter table predictions.churn
    add column is_predicted_leaver boolean not null default false,
    add column expected_spend_60d double precision;
-- The newest day of a version is looked for by pages and by scoring.
create index churn_by_version_and_day on predictions.churn (model_version, as_of_on);

create table predictions.churn_reasons (
    customer_id text not null,
    as_of_on date not null,
    model_version integer not null,
    method text not null check (method in ('shap', 'lime')),
    rank smallint not null check (rank >= 1),
    feature text not null,
    value double precision,
    contribution double precision not null,
    reason text not null,
    primary key (customer_id, as_of_on, model_version, method, rank)
);
"""

GRANTS = """
grant insert on raw.customer_authors to maeari_importer;
grant select (source, author_key, customer_id) on raw.customer_authors to maeari_importer;
grant select (occurred_at) on raw.events to maeari_importer;
grant update (first_event_at, last_event_at, stats) on ops.loads to maeari_importer;
grant select on raw.customer_authors to maeari_dbt, maeari_web;
grant select, insert, update, delete on predictions.churn_reasons to maeari_ml;
grant select on predictions.churn_reasons to maeari_dbt, maeari_monitor, maeari_web, maeari_analyst;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
