"""The DAGs of the models: what starts them, who is asked, and what only an approval hands on."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from maeari import assets
from maeari.settings import AIRFLOW_USERS

MODELS = ("churn", "recommend", "sentiment", "topics", "review_topics")


@pytest.fixture(scope="module")
def release(bag):
    return bag.dags["release_model"]


def questions(dag) -> list:
    found = [task for task in dag.tasks if task.task_type.startswith("HITLOperator")]
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
    read = {
        question_of({"model": model, "is_replay": is_replay}): (model in ("topics", "review_topics"), is_replay)
        for model in MODELS
        for is_replay in (False, True)
    }
    assert asked.keys() == read.keys()
    for name, (is_of_topics, is_replay) in read.items():
        assert asked[name].assigned_users[0]["id"] == ("demo-approver" if is_replay else "approver")
        assert set(asked[name].params) == {"reason", *(["names"] if is_of_topics else [])}
    for question in asked.values():
        assert question.options == [APPROVE, REFUSE]
        assert question.response_timeout == ANSWER_WITHIN == timedelta(days=14)
        assert question.retries == 0


def test_only_the_tasks_after_an_approval_hand_on_a_model_each_its_own(release):
    handing_on = {asset.name: task for task in release.tasks for asset in task.outlets}
    assert handing_on.keys() == {f"model.{model}" for model in MODELS}
    for task in handing_on.values():
        assert len(task.outlets) == 1
        assert task.upstream_task_ids == {"promote"}
        assert task.trigger_rule == "all_success"
    promote = release.get_task("promote")
    assert {question.task_id for question in questions(release)} < promote.upstream_task_ids
    assert promote.trigger_rule == "all_done"


@pytest.mark.parametrize("asset", [f"model.{model}" for model in MODELS])
def test_a_release_hands_on_the_released_model_alone(release, asset):
    from airflow.sdk.exceptions import AirflowSkipException

    model = asset.rpartition(".")[2]
    hand_on = release.get_task(f"hand_on_{model}").python_callable
    (event,) = hand_on(model, {"model": model, "version": 3})
    assert (event.asset.name, event.extra["version"]) == (asset, 3)
    with pytest.raises(AirflowSkipException):
        list(hand_on(model, {"model": "another", "version": 3}))


def run_of(*events: tuple[str, dict], conf: dict | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        run_id="run",
        conf=conf or {},
        run_after=datetime(2026, 5, 31, 12, tzinfo=UTC),
        consumed_asset_events=[
            SimpleNamespace(asset=SimpleNamespace(name=name), extra=extra) for name, extra in events
        ],
    )


@pytest.fixture
def started(release, monkeypatch, maeari_home):
    """A function that says for a run what it compares and which runs it starts for others."""
    asked = []
    monkeypatch.setattr("ml.release.compare", lambda model, **facts: asked.append({"model": model, **facts}))

    def take(run) -> tuple[dict, list[dict]]:
        release.get_task("compare").python_callable(dag_run=run)
        return asked[-1], release.get_task("find_others").python_callable(dag_run=run)

    return take


def test_a_run_releases_one_model_and_starts_a_run_for_each_other(started):
    mine, others = started(
        run_of(
            (assets.CHURN_CHALLENGER, {"model": "churn", "version": 1, "as_of": "2026-03-31", "is_replay": True}),
            (assets.SENTIMENT_CHALLENGER, {"version": 6, "as_of": "2026-04-30", "is_replay": False}),
            (assets.SENTIMENT_CHALLENGER, {"version": 7, "as_of": "2026-05-31", "is_replay": False}),
        )
    )
    assert (mine["model"], mine["version"], mine["is_replay"]) == ("churn", 1, True)
    assert mine["as_of"].isoformat() == "2026-03-31"
    assert others == [
        {
            "conf": {"model": "sentiment", "version": 7, "as_of": "2026-05-31", "is_replay": False},
            "trigger_run_id": "run__sentiment",
        }
    ]
    again, none = started(run_of(conf=others[0]["conf"]))
    assert (again["model"], again["version"], again["as_of"].isoformat()) == ("sentiment", 7, "2026-05-31")
    assert none == []


def test_a_run_by_hand_releases_the_newest_sentiment_as_of_its_day(started):
    mine, others = started(run_of())
    assert mine | {"dag_run_id": None} == {
        "model": "sentiment",
        "version": None,
        "as_of": datetime(2026, 5, 31).date(),
        "is_replay": False,
        "dag_run_id": None,
    }
    assert others == []


def test_a_rollback_hands_on_what_a_release_does_and_names_the_dag_that_waits_for_it(bag, release):
    from ml.rollback import AFTER_A_RELEASE

    assert {asset for asset, _ in AFTER_A_RELEASE.values()} == {
        asset.name for task in release.tasks for asset in task.outlets
    }
    for model, (asset, dag_id) in AFTER_A_RELEASE.items():
        assert asset == f"model.{model}"
        assert asset in {one.name for one in bag.dags[dag_id].timetable.asset_condition.objects}


def test_a_waiting_question_does_not_hold_up_a_newer_challenger(release):
    assert release.max_active_runs > 1


@pytest.mark.parametrize(
    ("dag_id", "starts_on", "hands_on"),
    [
        ("train_sentiment", {assets.SENTIMENT_RETRAINING}, {assets.SENTIMENT_CHALLENGER}),
        ("train_churn", {assets.CHURN_RETRAINING}, {assets.CHURN_CHALLENGER}),
        (
            "monitor_models",
            {assets.SENTIMENT_PREDICTIONS, assets.CHURN_PREDICTIONS},
            {assets.SENTIMENT_RETRAINING, assets.CHURN_RETRAINING, assets.RECOMMEND_RETRAINING},
        ),
        ("train_topics", set(), {assets.TOPICS_CHALLENGER, assets.REVIEW_TOPICS_CHALLENGER}),
        ("train_recommend", {assets.RECOMMEND_RETRAINING}, {assets.RECOMMEND_CHALLENGER}),
        ("store_books", {assets.MARTS, assets.RECOMMEND_MODEL}, {assets.RECOMMEND_VECTORS}),
        ("release_model", {f"challenger.{model}" for model in MODELS}, {f"model.{model}" for model in MODELS}),
        (
            "score_articles",
            {assets.MARTS, assets.TOPICS_MODEL, assets.REVIEW_TOPICS_MODEL},
            {assets.TEXT_TERMS, assets.TOPICS_PREDICTIONS},
        ),
        ("mine_associations", {assets.TEXT_TERMS}, {assets.KEYWORDS}),
        ("score_reviews", {assets.MARTS, assets.SENTIMENT_MODEL}, {assets.SENTIMENT_PREDICTIONS}),
    ],
)
def test_the_chain_of_assets_is_closed(bag, dag_id, starts_on, hands_on):
    dag = bag.dags[dag_id]
    condition = getattr(dag.timetable, "asset_condition", None)
    assert {asset.name for asset in getattr(condition, "objects", [condition]) if asset} == starts_on
    assert {asset.name for task in dag.tasks for asset in task.outlets} == hands_on


@pytest.mark.parametrize(
    "dag_id", ["train_sentiment", "train_churn", "train_topics", "train_recommend", "monitor_models"]
)
def test_what_runs_by_the_clock_does_not_make_up_for_the_time_that_has_passed(bag, dag_id):
    dag = bag.dags[dag_id]
    assert dag.start_date is None
    assert all(task.start_date is None for task in dag.tasks)
    assert not dag.catchup


@pytest.mark.parametrize(
    ("handed_on", "spared"),
    [
        ([], set()),
        ([assets.CHURN_PREDICTIONS], {"sentiment"}),
        ([assets.SENTIMENT_PREDICTIONS], set()),
        ([assets.SENTIMENT_PREDICTIONS, assets.CHURN_PREDICTIONS], set()),
    ],
)
def test_sentiment_is_not_measured_again_when_customers_alone_were_scored(bag, handed_on, spared):
    from monitoring import policies

    run = run_of(*((name, {}) for name in handed_on))
    found = bag.dags["monitor_models"].get_task("list_policies").python_callable(run)
    assert set(policies()) - set(found) == spared


@pytest.mark.parametrize(("asked_before", "is_asked"), [([], True), (["2026-05-24"], True), (["2026-05-31"], False)])
def test_retraining_is_asked_for_once_with_the_knowledge_of_a_day(bag, asked_before, is_asked):
    from airflow.sdk.exceptions import AirflowSkipException

    task = bag.dags["monitor_models"].get_task("retrain_recommend")
    events = [SimpleNamespace(extra={"as_of": day}) for day in asked_before]
    inlets = {task.inlets[0]: SimpleNamespace(ascending=lambda _: SimpleNamespace(limit=lambda _: events))}
    asking = task.python_callable([{"policy": "recommend", "retrain": True}], "recommend", run_of(), inlets)
    if is_asked:
        assert next(asking).extra == {"as_of": "2026-05-31"}
    else:
        with pytest.raises(AirflowSkipException):
            next(asking)


def test_a_run_that_shall_not_analyse_trains_all_the_same(bag):
    from airflow.sdk.exceptions import AirflowSkipException

    dag = bag.dags["train_recommend"]
    with pytest.raises(AirflowSkipException):
        dag.get_task("analyse").python_callable(run_of(conf={"analyse": False}))
    assert dag.get_task("train").upstream_task_ids == {"analyse"}
    assert dag.get_task("train").trigger_rule == "none_failed"
