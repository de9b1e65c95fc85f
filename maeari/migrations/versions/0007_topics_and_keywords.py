"""What texts are about: their keywords, their topics and the shares of these by period, and words that go together."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
create table predictions.dictionaries (
    dictionary_id integer generated always as identity primary key,
    -- The program and rule that read the texts; another one reads every text anew.
    analyser text not null,
    words jsonb not null,
    created_at timestamptz not null default now()
);

create table predictions.text_terms (
    collection text not null check (collection in ('articles', 'reviews')),
    record_id text not null,
    content_hash text not null,
    dictionary_id integer not null references predictions.dictionaries,
    -- Keywords in the order in which they are read, as often as they stand there; stop words are among them.
    terms text[] not null,
    characters_read integer not null,
    analysed_at timestamptz not null,
    primary key (collection, record_id, content_hash)
);
-- The texts that hold some words.
create index on predictions.text_terms using gin (terms);

create table predictions.topics (
    model text not null,
    record_id text not null,
    content_hash text not null,
    model_version integer not null,
    -- Null in a text with too few words that the version knows; else one weight a topic, which add up to 1.
    main_topic smallint,
    weights real[] check ((weights is null) = (main_topic is null)),
    terms integer not null,
    known_terms integer not null check (known_terms <= terms),
    event_at timestamptz not null,
    scored_at timestamptz not null,
    purpose text not null check (purpose in ('live', 'shadow', 'backfill')),
    primary key (model, model_version, record_id, content_hash)
);

create table predictions.topic_terms (
    model text not null,
    model_version integer not null,
    topic_no smallint not null,
    term text not null,
    -- Of a word in the topic's texts to be this one, and of a word in any text.
    probability double precision not null check (probability between 0 and 1),
    overall_probability double precision not null check (overall_probability > 0 and overall_probability <= 1),
    primary key (model, model_version, topic_no, term)
);

create table predictions.topic_shares (
    model text not null,
    model_version integer not null,
    every text not null check (every in ('day', 'week', 'month', 'quarter')),
    period_start_on date not null,
    is_complete boolean not null,
    -- Null where all are counted.
    source text,
    section text,
    subject_id text,
    counts_copies boolean not null,
    texts integer not null,
    -- Null in the one row that says why there are no shares.
    topic_no smallint,
    topic_texts integer,
    share double precision,
    low double precision,
    high double precision,
    mean_weight double precision,
    trend text check (trend in ('rising', 'falling', 'steady')),
    trend_p_value double precision,
    trend_periods smallint,
    note text check ((note is null) = (topic_no is not null)),
    unique nulls not distinct
        (model, model_version, every, period_start_on, source, section, subject_id, counts_copies, topic_no)
);

create table predictions.keyword_periods (
    mining_id bigint generated always as identity primary key,
    collection text not null check (collection in ('articles', 'reviews')),
    every text not null check (every in ('day', 'week', 'month', 'quarter')),
    period_start_on date not null,
    is_complete boolean not null,
    source text,
    section text,
    subject_id text,
    counts_copies boolean not null,
    texts integer not null,
    terms integer not null,
    tested_pairs bigint not null,
    tested_rules bigint not null,
    note text,
    -- Of what was mined and how: as long as it stays the same, nothing needs to be mined again.
    inputs_md5 text not null,
    mined_at timestamptz not null,
    unique nulls not distinct (collection, every, period_start_on, source, section, subject_id, counts_copies)
);

create table predictions.keyword_nodes (
    mining_id bigint not null references predictions.keyword_periods on delete cascade,
    term text not null,
    rank smallint not null check (rank >= 1),
    texts integer not null,
    texts_before integer,
    community smallint not null check (community >= 1),
    is_new boolean,
    primary key (mining_id, term)
);

create table predictions.keyword_pairs (
    mining_id bigint not null references predictions.keyword_periods on delete cascade,
    term text not null,
    other_term text not null,
    rank integer not null check (rank >= 1),
    texts integer not null,
    term_texts integer not null,
    other_texts integer not null,
    lift double precision not null,
    p_value double precision not null check (p_value between 0 and 1),
    holm_p_value double precision not null check (holm_p_value between 0 and 1),
    is_new boolean,
    primary key (mining_id, term, other_term)
);

create table predictions.keyword_rules (
    mining_id bigint not null references predictions.keyword_periods on delete cascade,
    antecedent text[] not null,
    consequent text[] not null,
    rank integer not null check (rank >= 1),
    texts integer not null,
    antecedent_texts integer not null,
    consequent_texts integer not null,
    support double precision not null check (support between 0 and 1),
    confidence double precision not null check (confidence between 0 and 1),
    lift double precision not null,
    p_value double precision not null check (p_value between 0 and 1),
    holm_p_value double precision not null check (holm_p_value between 0 and 1),
    primary key (mining_id, antecedent, consequent)
);
"""

GRANTS = """
grant select, insert, update, delete on predictions.dictionaries, predictions.text_terms, predictions.topics,
    predictions.topic_terms, predictions.topic_shares, predictions.keyword_periods, predictions.keyword_nodes,
    predictions.keyword_pairs, predictions.keyword_rules to maeari_ml;
grant select on predictions.dictionaries, predictions.text_terms, predictions.topics, predictions.topic_terms,
    predictions.topic_shares, predictions.keyword_periods, predictions.keyword_nodes, predictions.keyword_pairs,
    predictions.keyword_rules to maeari_dbt, maeari_monitor, maeari_web, maeari_analyst;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
