"""
### Watch the released models

Runs when reviews or customers have been scored, and every morning, since readers ask for books at any hour; one task a
policy, but for sentiment's when only customers were scored: measures every complete window, decides, draws the pages.
If the newest window of a live model is called `declined` and no challenger waits for its approval, it asks for
retraining. A rerun replaces the same windows and draws only what changed.

A decline is told once, by mail and to a webhook, whichever is configured; `maeari alerts` lists what was sent, and
`maeari silence` keeps a model quiet for a known cause.

**If it fails:** the log names the policy and the sentence. *Nothing to compare with* means that the reviews held out of
the training were not scored: run `score_reviews` again. `maeari monitor sentiment` does the same without Airflow. When
only `alert` failed, the verdicts are there: the sentence names the channel, and clearing it sends only what is missing.
"""

from datetime import timedelta

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    BaseNotifier,
    CronTriggerTimetable,
    Metadata,
    TriggerRule,
    dag,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from maeari import assets, clock
from maeari.clock import business_day
from maeari.settings import Settings

RETRAINING = {
    "sentiment": Asset(assets.SENTIMENT_RETRAINING),
    "churn": Asset(assets.CHURN_RETRAINING),
    "recommend": Asset(assets.RECOMMEND_RETRAINING),
}


class WebhookNotifier(BaseNotifier):
    """Posts a text to the address in MAEARI_ALERT_WEBHOOK, as Slack and its likes take it."""

    def __init__(self, text: str):
        super().__init__()
        self.text = text

    def notify(self, context):
        from monitoring.alerts import post

        post(self.text)


def channels() -> dict:
    """The configured ways to send an alert. Each calls `notify` itself: what stands in the data is no template."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    from monitoring.alerts import recipients

    settings, to = Settings(), recipients()
    sender = settings.alert_mail_from or (to[0] if to else None)
    found = {}
    if to:
        found["mail"] = lambda letter: SmtpNotifier(
            to=to, from_email=sender, subject=letter.subject, html_content=letter.html
        ).notify({})
    if settings.alert_webhook:
        found["webhook"] = lambda letter: WebhookNotifier(letter.text).notify({})
    return found


# Without a start date, since with one the morning that has passed would be made up for at once.
@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 7 * * *", timezone=clock.zone().key, run_immediately=timedelta(0)),
        assets=Asset(assets.SENTIMENT_PREDICTIONS) | Asset(assets.CHURN_PREDICTIONS),
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["monitoring", "sentiment", "churn", "recommend"],
)
def monitor_models():
    @task
    def list_policies(dag_run=None) -> list[str]:
        from monitoring import policies

        handed_on = {event.asset.name for event in dag_run.consumed_asset_events or []}
        # Stars come with the reviews, so there are no new ones; whether customers left comes with events at any time.
        is_spared = handed_on == {assets.CHURN_PREDICTIONS}
        return [name for name in policies() if not (is_spared and name == "sentiment")]

    @task(map_index_template="{{ task.op_kwargs['policy'] }}")
    def monitor(policy: str, dag_run=None) -> dict:
        from monitoring import monitor

        return monitor(policy, as_of=business_day(dag_run))

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def ask_for_retraining(summaries: list[dict], model: str, dag_run=None, inlet_events=None):
        if not any(summary["policy"] == model and summary["retrain"] for summary in summaries):
            raise AirflowSkipException(f"No version of {model} has newly declined, or its challenger already waits.")
        as_of = business_day(dag_run).isoformat()
        # That training may still be under way, and its challenger is not there yet.
        last = [event.extra.get("as_of") for event in inlet_events[RETRAINING[model]].ascending(False).limit(1)]
        if last == [as_of]:
            raise AirflowSkipException(f"Retraining of {model} was asked for with the knowledge of {as_of} before.")
        yield Metadata(RETRAINING[model], {"as_of": as_of})

    # Also when one policy failed: the others may have declined. A channel that is away is tried for an hour.
    @task(
        trigger_rule=TriggerRule.ALL_DONE,
        retries=6,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=2,
    )
    def alert(dag_run=None) -> dict:
        from monitoring.alerts import send_due

        found = send_due(channels(), as_of=business_day(dag_run))
        if found["without_channel"]:
            raise AirflowSkipException(
                f"Nobody was told that {', '.join(found['without_channel'])} declined: "
                "set MAEARI_ALERT_MAIL_TO or MAEARI_ALERT_WEBHOOK."
            )
        if not found["sent"]:
            silenced = f" Silenced: {', '.join(found['silenced'])}." if found["silenced"] else ""
            raise AirflowSkipException(f"Nothing new to tell.{silenced}")
        return found

    verdicts = monitor.expand(policy=list_policies())
    for model, retraining in RETRAINING.items():
        asking = ask_for_retraining.override(task_id=f"retrain_{model}", inlets=[retraining], outlets=[retraining])
        asking(verdicts, model)
    verdicts >> alert()


monitor_models()
