"""A question to the approver, as the real release asks it."""

from datetime import UTC, datetime

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def release_model():
    ApprovalOperator(
        task_id="ask",
        subject="Release sentiment version 2?",
        body="Right in **86.1 %** of reviews.",
        assigned_users=[{"id": "approver", "name": "approver"}],
    )


release_model()
