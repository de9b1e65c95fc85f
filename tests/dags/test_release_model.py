"""The DAGs of the sentiment model: what starts them, who is asked, and what only an approval hands on."""

from datetime import timedelta

import pytest

from maeari import assets
from maeari.settings import AIRFLOW_USERS


@pytest.fixture(scope="module")
def release(bag):
    return bag.dags["release_model"]


def questions(dag) -> list:
    found = [task for task in dag.tasks if task.task_type == "HITLOperator"]
    assert found
    return found


def test_each_question_goes_to_one_known_person_and_has_no_default_answer(release):
    for question in questions(release):
        assert question.defaults is None
        assert not question.multiple
        assert question.options == ["Approve", "Reject"]
        assert len(question.assigned_users) == 1
        assert question.assigned_users[0]["id"] in AIRFLOW_USERS


def test_the_questions_are_the_tasks_whose_record_is_read(release):
    from ml.release import ANSWER_WITHIN, APPROVE, REFUSE, question_of

    asked = {question.task_id: question for question in questions(release)}
    real, replayed = (question_of({"is_replay": is_replay}) for is_replay in (False, True))
    assert asked.keys() == {real, replayed}
    assert asked[real].assigned_users[0]["id"] == "approver"
    assert asked[replayed].assigned_users[0]["id"] == "demo-approver"
    for question in asked.values():
        assert question.options == [APPROVE, REFUSE]
        assert question.response_timeout == ANSWER_WITHIN == timedelta(days=14)
        assert question.retries == 0


def test_only_the_task_after_the_questions_hands_on_a_model(release):
    handing_on = [task for task in release.tasks if task.outlets]
    assert [task.task_id for task in handing_on] == ["promote"]
    assert [asset.name for asset in handing_on[0].outlets] == [assets.SENTIMENT_MODEL]
    assert {question.task_id for question in questions(release)} < handing_on[0].upstream_task_ids
    assert handing_on[0].trigger_rule == "all_done"


def test_a_waiting_question_does_not_hold_up_a_newer_challenger(release):
    assert release.max_active_runs > 1


@pytest.mark.parametrize(
    ("dag_id", "starts_on", "hands_on"),
    [
        ("train_sentiment", {assets.SENTIMENT_RETRAINING}, assets.SENTIMENT_CHALLENGER),
        ("release_model", {assets.SENTIMENT_CHALLENGER}, assets.SENTIMENT_MODEL),
        ("score_reviews", {assets.MARTS, assets.SENTIMENT_MODEL}, assets.SENTIMENT_PREDICTIONS),
    ],
)
def test_the_chain_of_assets_is_closed(bag, dag_id, starts_on, hands_on):
    dag = bag.dags[dag_id]
    condition = dag.timetable.asset_condition
    assert {asset.name for asset in getattr(condition, "objects", [condition])} == starts_on
    assert {asset.name for task in dag.tasks for asset in task.outlets} == {hands_on}


def test_training_does_not_make_up_for_the_month_that_has_begun(bag):
    dag = bag.dags["train_sentiment"]
    assert dag.start_date is None
    assert all(task.start_date is None for task in dag.tasks)
    assert not dag.catchup
