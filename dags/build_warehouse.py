"""
### Build the warehouse

Runs when reviews, articles or events have landed: dbt builds and tests one model a task, then hands on the marts and
rewrites their documentation. It waits for crawls that have just begun, and is skipped when the run before has taken in
all that was crawled: crawls that begin together are built once. Everything is rebuilt from `raw`, so a rerun is always
safe; of `features.churn` only the month ends are rebuilt that are new, whose label has become known, or of which
something was imported or scored since.

Only one build works on the warehouse at a time: this DAG has one run. Its tasks, of which the pool `build_warehouse`
lets two run side by side, share a lock that `maeari build` takes alone, so either waits for the other.

**If it fails:** open the log of the red task; its last lines name the model or the test. A failed test means that
rows in `raw` break a promise of the marts: look at the newest rows of `ops.crawls` and `ops.loads` first, mend, and
clear the task.
The models after it keep their old rows until then. `maeari build` does the same without Airflow.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, dag, task
from airflow.sdk.exceptions import AirflowSkipException
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import InvocationMode, LoadMode, TestBehavior

from maeari import assets, warehouse

MARTS = Asset(assets.MARTS)


@dag(
    schedule=Asset(assets.RAW_REVIEWS) | Asset(assets.RAW_ARTICLES) | Asset(assets.RAW_EVENTS),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=20), "pool": "build_warehouse"},
    doc_md=__doc__,
    tags=["warehouse"],
)
def build_warehouse():
    @task
    def find_news(dag_run=None):
        from maeari.warehouse import holds_all_crawled, wait_for_crawls

        wait_for_crawls()
        handed_on = {event.asset.name for event in dag_run.consumed_asset_events or []}
        if handed_on and handed_on <= {assets.RAW_REVIEWS, assets.RAW_ARTICLES} and holds_all_crawled():
            raise AirflowSkipException("The build before has taken in all that was crawled.")

    models = DbtTaskGroup(
        group_id="models",
        project_config=ProjectConfig(
            dbt_project_path=warehouse.PROJECT, manifest_path=warehouse.manifest_path(), install_dbt_deps=False
        ),
        profile_config=ProfileConfig(
            profile_name="maeari",
            target_name=warehouse.TARGET,
            profiles_yml_filepath=warehouse.PROJECT / "profiles.yml",
        ),
        execution_config=ExecutionConfig(invocation_mode=InvocationMode.DBT_RUNNER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD,
            exclude=["tag:publish", "resource_type:exposure"],
            emit_datasets=False,
        ),
        operator_args={
            "interceptors": [warehouse.before_task],
            "callback": warehouse.after_task,
            "no_version_check": True,
            # What a task writes goes with its temporary folder, so the manifest need not be written.
            "dbt_cmd_global_flags": ["--no-use-colors", "--no-write-json"],
            "dbt_cmd_flags": ["--exclude-resource-type", "unit_test"],
        },
    )

    @task(outlets=[MARTS])
    def hand_on_marts(dag_run=None, outlet_events=None) -> str:
        from maeari.clock import business_day

        as_of = business_day(dag_run).isoformat()
        outlet_events[MARTS].extra = {"as_of": as_of}
        return as_of

    @task
    def write_docs() -> str:
        from maeari.warehouse import write_docs

        return str(write_docs())

    find_news() >> models >> hand_on_marts() >> write_docs()


build_warehouse()
