"""Airflow, reading the DAG files as its dag-processor does."""

import os

import pytest

from maeari.settings import CHECKOUT


@pytest.fixture(scope="session")
def bag(postgres, tmp_path_factory):
    """All DAGs, read by Airflow itself."""
    from maeari.warehouse import write_manifest

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEARI_DATABASE_URL", postgres)
        write_manifest()
        os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "120"
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(CHECKOUT / "dags", bundle_path=CHECKOUT / "dags", bundle_name="dags-folder")
