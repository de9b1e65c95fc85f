"""How much of a review its model had never met; and verdicts as evidence for the version that may come next."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # Of the text's n-grams; null of what was scored before this was kept.
    op.execute("alter table predictions.sentiment add column unknown_share real check (unknown_share between 0 and 1)")
    op.execute("grant usage on schema monitoring to maeari_ml")
    op.execute("grant select on monitoring.verdicts, monitoring.reports to maeari_ml")


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
