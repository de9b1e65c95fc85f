"""Questions put to the approver: the frozen evidence and how each ended."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table ops.release_requests (
            request_id bigint generated always as identity primary key,
            model text not null,
            version integer not null,
            live_version integer,
            as_of date not null,
            effective_from timestamptz not null,
            is_replay boolean not null default false,
            evidence jsonb not null,
            may_ask boolean not null,
            dag_run_id text,
            requested_at timestamptz not null default now(),
            expires_at timestamptz not null,
            outcome text not null default 'waiting' check (
                outcome in ('waiting', 'not_better', 'approved', 'refused', 'expired', 'superseded')
            ),
            decided_by text,
            decided_at timestamptz,
            reason text,
            foreign key (model, version) references ops.model_versions
        );
        create unique index one_waiting_request_per_model on ops.release_requests (model)
            where outcome = 'waiting';
        grant select, insert on ops.release_requests to maeari_ml, maeari_release;
        grant update (dag_run_id, outcome, decided_by, decided_at, reason) on ops.release_requests
            to maeari_ml, maeari_release;
        grant select on ops.release_requests to maeari_dbt, maeari_monitor, maeari_web;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
