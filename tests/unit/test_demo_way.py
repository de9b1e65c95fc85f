"""How the demo finds its question among the runs of the release, and goes on where there is none."""

from types import SimpleNamespace

import pytest

from cli import demo
from maeari.errors import StackError

TRAINING = {"dag_id": "train_recommend", "dag_run_id": "t1"}
RELEASE = {"dag_id": "release_model", "dag_run_id": "r1", "state": "running"}


class Airflow:
    """A release that was started by the training, and the questions that wait."""

    def __init__(self, *questions: str, state: str = "running"):
        self.questions, self.state = questions, state

    def dag_runs(self, dag_id):
        return [RELEASE]

    def upstream_asset_events(self, dag_id, run_id):
        return [{"source_run_id": "t1"}]

    def waiting_approvals(self):
        return [{"dag_id": "release_model", "dag_run_id": one, "task_id": "ask"} for one in self.questions]

    def dag_run(self, dag_id, run_id):
        return {"dag_id": dag_id, "dag_run_id": run_id, "state": self.state}

    def task_instances(self, dag_id, run_id):
        return []


def follower(*questions: str, **facts) -> demo._Follower:
    progress = SimpleNamespace(add_task=lambda *given, **named: 1, update=lambda *given, **named: None)
    return demo._Follower(Airflow(*questions, **facts), progress)


@pytest.fixture
def requests(monkeypatch):
    """What `ops.release_requests` answers, time after time; the last for good."""
    answers: list = []

    def row(query, model, *parameters):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(demo, "_row", row)
    monkeypatch.setattr(demo.time, "sleep", lambda seconds: None)
    return answers


def test_the_question_of_a_second_run_is_found_when_two_challengers_came_at_once(requests):
    requests += [None, ("r1__recommend", True)]
    found = follower("r1", "r1__recommend").wait_for_question("Ask", TRAINING, "recommend")
    assert found["dag_run_id"] == "r1__recommend"


def test_where_nothing_may_be_asked_there_is_no_question(requests):
    requests += [None, ("r1", False)]
    assert follower("r1").wait_for_question("Ask", TRAINING, "recommend") is None


def test_a_release_that_fails_before_it_asks_ends_the_waiting(requests):
    requests += [None]
    with pytest.raises(StackError, match="release_model run r1 failed"):
        follower(state="failed").wait_for_question("Ask", TRAINING, "recommend")


def test_a_first_recommender_that_is_no_good_does_not_end_the_demo(monkeypatch):
    asked = []
    monkeypatch.setattr(demo, "_live_version", lambda model: None)
    monkeypatch.setattr(demo, "_train_first", lambda airflow, model, as_of, **conf: asked.append((model, conf)))
    monkeypatch.setattr(demo, "_approve_first", lambda airflow, model, training: None)
    demo._offer_books(follower())
    assert asked == [("recommend", {"analyse": False})]
    monkeypatch.setattr(demo, "_row", lambda query, *parameters: (["No better than the baseline (-2.1)."], False))
    assert demo._which_books() == "no recommender is live. No better than the baseline (-2.1)."
    monkeypatch.setattr(demo, "_airflow_address", lambda: "http://airflow")
    with pytest.raises(StackError, match="The first churn model may not be released.*No better than"):
        demo._release_first(follower(), "churn", TRAINING)


def test_a_live_recommender_is_told_with_a_command_to_try(monkeypatch):
    monkeypatch.setattr(demo, "_live_version", lambda model: 1)
    monkeypatch.setattr(demo, "_row", lambda query, *parameters: (60, "book-001"))
    assert demo._which_books() == "60 books are known to version 1: maeari recommend --like book-001"
