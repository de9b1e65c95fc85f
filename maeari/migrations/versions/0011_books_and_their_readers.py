"""Books: the catalogue, their vectors, what readers were offered, and the conversations in which they were."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
-- One version of one book of a source; a newer version takes the place of an older one.
create table raw.books (
    source text not null,
    book_id text not null,
    version_no integer not null check (version_no >= 1),
    content_hash text not null,
    title text not null,
    author text,
    description text,
    subjects text[] not null default '{}',
    series text,
    volume integer check (volume >= 0),
    -- The id of the book of which this one is another edition.
    edition_of text,
    isbn text,
    pages integer check (pages > 0),
    published_on date,
    url text,
    load_id bigint not null references ops.loads,
    landed_at timestamptz not null default now(),
    primary key (source, book_id, version_no)
);

-- What the reviews of a source are about, where it is known: only books so far.
alter table ops.sources add column subjects_are text check (subjects_are = 'books');

alter table ops.loads drop constraint loads_kind_check;
alter table ops.loads add constraint loads_kind_check check (kind in ('events', 'authors', 'books', 'feedback'));

-- Of a version's books by their readers and by their words, each at length 1 or all zeros.
create table predictions.book_vectors (
    model_version integer not null,
    book_id text not null,
    item_vector real[] not null,
    text_vector real[] not null,
    primary key (model_version, book_id)
);

-- Where the server has pgvector and lets the owner use it, the vectors are of its type; else they stay plain arrays.
do $$
declare
    home text;
begin
    create extension if not exists vector schema predictions;
    select extnamespace::regnamespace::text into home from pg_extension where extname = 'vector';
    execute format(
        'alter table predictions.book_vectors alter column item_vector type %1$s.vector, '
        'alter column text_vector type %1$s.vector', home
    );
    execute format(
        'grant usage on schema %s to maeari_ml, maeari_dbt, maeari_monitor, maeari_web, maeari_analyst', home
    );
exception when undefined_file or feature_not_supported or insufficient_privilege then
    raise notice 'Vectors are kept as arrays: %', sqlerrm;
end $$;

-- One answer of the book bot that offered books, or had none to offer.
create table predictions.recommendations (
    answer_id bigint generated always as identity primary key,
    answered_at timestamptz not null default now(),
    channel text not null,
    -- A keyed hash of who asked.
    reader_key text not null,
    -- Null: no version was live, and what many read was offered.
    model_version integer,
    -- What was asked for: title, author, words, more, shorter, popular.
    asked_for text not null,
    -- Nothing that was asked for was known: what many read was offered instead.
    is_unknown boolean not null,
    book_ids text[] not null,
    -- Why each is offered: liked, words, popular, or author where an author's books were asked for.
    whys text[] not null,
    check (cardinality(book_ids) = cardinality(whys))
);
create index recommendations_by_time on predictions.recommendations (answered_at);

-- What a conversation needs to go on, kept until it expires.
create table ops.conversations (
    reader_key text primary key,
    state jsonb not null,
    expires_at timestamptz not null,
    -- How many messages came since when, for the limit per reader.
    counted_since timestamptz not null,
    messages integer not null
);
create index conversations_by_end on ops.conversations (expires_at);
-- What a reader said of books is looked for when their conversation begins anew.
create index events_of_book_bot on raw.events (customer_id) where source = 'book_bot';
"""

GRANTS = """
grant insert on raw.books to maeari_importer;
grant select (source, book_id, version_no, content_hash) on raw.books to maeari_importer;
grant select on raw.books to maeari_dbt, maeari_web;

grant select, insert, update, delete on predictions.book_vectors to maeari_ml;
grant select on predictions.book_vectors, predictions.recommendations
    to maeari_dbt, maeari_monitor, maeari_web, maeari_analyst;
grant select on predictions.recommendations to maeari_ml;
-- Which answers were liked, and when; not by whom.
grant select (source, event_id, event_type, occurred_at) on raw.events to maeari_monitor;

grant usage on schema raw, ops, predictions, marts to maeari_skill;
grant select on ops.model_versions, ops.deployments to maeari_skill;
grant select, insert, update, delete on ops.conversations to maeari_skill;
grant select, insert on predictions.recommendations to maeari_skill;
grant insert on raw.events to maeari_skill;
grant select (source, event_id, customer_id, event_type, item_id, occurred_at) on raw.events to maeari_skill;
grant select, insert on ops.loads to maeari_skill;
grant update (finished_at, items, landed, duplicates, outcome) on ops.loads to maeari_skill;
alter role maeari_skill set statement_timeout = '3s';
"""


def upgrade() -> None:
    op.execute("do $$ begin create role maeari_skill login; exception when duplicate_object then null; end $$")
    op.execute("do $$ begin execute format('grant connect on database %I to maeari_skill', current_database()); end $$")
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
