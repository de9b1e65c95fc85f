"""What a crawl remembers: sources and their terms, its position, pages' validators, fill rates, duplicates."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
create table ops.sources (
    source text primary key,
    kind text not null,
    owner text not null,
    licence text not null,
    terms_url text,
    terms_checked_by text,
    terms_checked_on date,
    is_local boolean not null,
    facts_sha256 text not null,
    updated_at timestamptz not null default now()
);

alter table ops.crawls
    add column as_of_on date,
    add column facts_sha256 text,
    add column record_limit integer,
    add column is_full_sweep boolean,
    add column resumed integer not null default 0,
    add column batch_no integer not null default 0,
    add column robots_checked_at timestamptz;

create table ops.crawl_requests (
    crawl_id bigint not null references ops.crawls,
    request_key text not null,
    request_no bigint generated always as identity,
    request jsonb not null,
    is_done boolean not null default false,
    primary key (crawl_id, request_key)
);

create table ops.pages (
    source text not null,
    page_key text not null,
    etag text,
    last_modified text,
    records integer not null,
    spared_pages integer not null,
    standing_requests jsonb not null,
    facts_sha256 text not null,
    crawl_id bigint not null references ops.crawls,
    primary key (source, page_key)
);

create table ops.crawl_fields (
    crawl_id bigint not null references ops.crawls,
    field text not null,
    records integer not null,
    filled integer not null,
    pages integer not null,
    pages_without integer not null,
    usual_share double precision,
    verdict text check (verdict in ('new', 'steady', 'fell', 'vanished', 'too_few_records')),
    primary key (crawl_id, field)
);

create table ops.uncompared_texts (
    text_no bigint generated always as identity primary key,
    kind text not null check (kind in ('review', 'article')),
    source text not null,
    record_id text not null,
    body text not null,
    crawl_id bigint not null references ops.crawls
);

create table ops.fingerprints (
    kind text not null check (kind in ('review', 'article')),
    source text not null,
    record_id text not null,
    text_sha256 text not null,
    signature bytea not null,
    bands bigint[] not null,
    is_original boolean not null,
    crawl_id bigint not null references ops.crawls,
    primary key (kind, source, record_id)
);
create index on ops.fingerprints (text_sha256, kind) where is_original;
-- Each batch asks the index for as many texts as it adds: a list of pending entries would be read for each of them.
create index on ops.fingerprints using gin (bands) with (fastupdate = off);

create table ops.duplicates (
    kind text not null check (kind in ('review', 'article')),
    source text not null,
    record_id text not null,
    original_source text not null,
    original_record_id text not null,
    similarity double precision not null check (similarity between 0 and 1),
    is_exact boolean not null,
    method text not null,
    crawl_id bigint not null references ops.crawls,
    marked_at timestamptz not null default now(),
    primary key (kind, source, record_id)
);
create index on ops.duplicates (kind, original_source, original_record_id);
"""

GRANTS = """
grant select (crawl_id) on raw.reviews, raw.articles to maeari_crawler;
grant select, insert, update on ops.sources to maeari_crawler;
grant update (as_of_on, facts_sha256, record_limit, is_full_sweep, resumed, batch_no, robots_checked_at)
    on ops.crawls to maeari_crawler;
grant select, insert, update, delete on ops.crawl_requests, ops.pages, ops.crawl_fields, ops.uncompared_texts,
    ops.fingerprints, ops.duplicates to maeari_crawler;
grant select on ops.sources, ops.crawl_fields, ops.duplicates
    to maeari_dbt, maeari_ml, maeari_monitor, maeari_web, maeari_release;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
