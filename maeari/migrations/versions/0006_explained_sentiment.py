"""Why a review was taken as positive or negative, and which reviews stand for a subject."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
alter table predictions.sentiment
    add column estimated_stars real check (estimated_stars between 1 and 5),
    -- close: either answer would be wrong too often; unreadable: too little Korean to read;
    -- endless: one word of more than 1,000 characters.
    add column unsure_because text check (unsure_because in ('close', 'unreadable', 'endless'));

create table predictions.sentiment_explanations (
    review_id text not null,
    content_hash text not null,
    model_version integer not null,
    event_at timestamptz not null,
    explained_at timestamptz not null,
    base_score double precision not null,
    score double precision not null,
    -- One for each character of title, line break and body in Unicode's form NFC; with base_score they add up to score.
    characters real[] not null,
    terms text[] not null,
    term_contributions real[] not null check (cardinality(term_contributions) = cardinality(terms)),
    aspects jsonb not null default '{}',
    -- One for each word (what stands between spaces), only of reviews that were picked for a page.
    shap real[],
    lime real[],
    shap_agreement real check (shap_agreement between -1 and 1),
    lime_agreement real check (lime_agreement between -1 and 1),
    primary key (review_id, content_hash, model_version)
);
create index sentiment_explanations_by_version_and_time
    on predictions.sentiment_explanations (model_version, event_at);

create table predictions.sentiment_picks (
    month_start_on date not null,
    source text not null,
    subject_id text not null,
    kind text not null check (kind in ('typical_positive', 'typical_negative', 'disagreeing')),
    rank smallint not null check (rank >= 1),
    review_id text not null,
    content_hash text not null,
    model_version integer not null,
    picked_at timestamptz not null,
    primary key (month_start_on, source, subject_id, kind, rank)
);
"""

GRANTS = """
grant select, insert, update, delete on predictions.sentiment_explanations, predictions.sentiment_picks to maeari_ml;
grant select on predictions.sentiment_explanations, predictions.sentiment_picks
    to maeari_dbt, maeari_monitor, maeari_web, maeari_analyst;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
