"""How much of a review its model had never met, so that new words are seen as drift."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        # Of the text's n-grams; null of what was scored before this was kept.
        "alter table predictions.sentiment add column unknown_share real check (unknown_share between 0 and 1)"
    )


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
