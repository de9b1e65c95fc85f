"""
### Publish what the models said

Runs when reviews were scored and explained, customers scored, texts given their topics, or associations mined: rebuilds
the marts that show these (`marts.review_sentiment`, `marts.weekly_sentiment`; `marts.subject_months` with
`marts.subject_words`, `marts.subject_aspects` and `marts.subject_reviews`; `marts.retention_list`,
`marts.churn_outcomes`; `marts.topics`, `marts.topic_terms`, `marts.topic_shares`, `marts.article_topics` and
`marts.review_topics`; `marts.keyword_periods` with `marts.keyword_nodes`, `marts.keyword_pairs` and
`marts.keyword_rules`), and by hand all of them. It hands nothing on, so that no prediction can start a training.

**If it fails:** the log names the model or the test. A duplicate or missing key comes from the schema `predictions`:
look at the last run of `score_reviews`, `score_customers`, `score_articles` or
`mine_associations`. `maeari publish` does the same without Airflow.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, dag, task

from maeari import assets


@dag(
    schedule=Asset(assets.SENTIMENT_PREDICTIONS)
    | Asset(assets.CHURN_PREDICTIONS)
    | Asset(assets.TOPICS_PREDICTIONS)
    | Asset(assets.KEYWORDS),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=20), "pool": "build_warehouse"},
    doc_md=__doc__,
    tags=["warehouse", "sentiment", "churn", "topics"],
)
def publish_marts():
    @task
    def publish(dag_run=None) -> dict:
        from maeari.clock import business_day
        from maeari.warehouse import PUBLISHED, publish

        handed_on = {event.asset.name.rpartition(".")[2] for event in dag_run.consumed_asset_events or []}
        return publish(business_day(dag_run), handed_on or PUBLISHED)

    publish()


publish_marts()
