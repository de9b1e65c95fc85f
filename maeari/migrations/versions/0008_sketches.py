"""Daily sketches of predictions, from which any window of any model is compared with its reference."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
create table monitoring.sketch_references (
    policy text not null,
    -- Of everything in the policy that decides what a sketch holds.
    reference_id text not null,
    bins jsonb not null,
    made_at timestamptz not null default now(),
    primary key (policy, reference_id)
);

create table monitoring.sketch_watermarks (
    policy text not null,
    reference_id text not null,
    -- The newest change among the predictions that were looked at; null where the policy names no such column.
    seen_until timestamptz,
    -- The day whose knowledge of labels is in the sketches.
    known_until date not null,
    primary key (policy, reference_id),
    foreign key (policy, reference_id) references monitoring.sketch_references on delete cascade
);

-- Days that were touched and are not sketched anew yet: a run that was stopped leaves them to the next.
create table monitoring.sketch_pending (
    policy text not null,
    reference_id text not null,
    day date not null,
    primary key (policy, reference_id, day),
    foreign key (policy, reference_id) references monitoring.sketch_references on delete cascade
);

create table monitoring.sketches (
    policy text not null,
    reference_id text not null,
    model_version integer not null,
    day date not null,
    segment text not null,
    column_name text not null,
    rows bigint not null,
    missing bigint not null check (missing between 0 and rows),
    -- Null for categories; of the values that are not missing.
    sum double precision,
    squared_deviations double precision,
    -- One figure a bin of the reference; a category's last bin holds what the reference has not kept.
    counts bigint[] not null,
    sums double precision[],
    primary key (policy, reference_id, model_version, day, segment, column_name),
    foreign key (policy, reference_id) references monitoring.sketch_references on delete cascade
);

create table monitoring.score_sketches (
    policy text not null,
    reference_id text not null,
    model_version integer not null,
    day date not null,
    segment text not null,
    -- One figure a bin of the score; with classes a bin of each class's score for each predicted class.
    rows bigint[] not null,
    score_sums double precision[] not null,
    labelled bigint[] not null,
    labelled_score_sums double precision[] not null,
    -- Null for a regression.
    positives bigint[],
    positive_score_sums double precision[],
    -- Of a regression alone: prediction minus label.
    error_sums double precision[],
    absolute_error_sums double precision[],
    squared_error_sums double precision[],
    primary key (policy, reference_id, model_version, day, segment),
    foreign key (policy, reference_id) references monitoring.sketch_references on delete cascade,
    check ((positives is null) <> (error_sums is null))
);
"""

GRANTS = """
grant select, insert, update, delete on monitoring.sketch_references, monitoring.sketch_watermarks,
    monitoring.sketch_pending, monitoring.sketches, monitoring.score_sketches to maeari_monitor;
grant select on monitoring.sketch_references, monitoring.sketch_watermarks, monitoring.sketch_pending,
    monitoring.sketches, monitoring.score_sketches to maeari_web, maeari_analyst;
-- Tables that the owner adds for models trained elsewhere; what dbt builds is granted by revision 0001.
alter default privileges in schema predictions grant select on tables to maeari_monitor;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
