"""Read by every Airflow process at its start; the folder is on `PYTHONPATH` of the stack."""

import sys

if "scheduler" in sys.argv:
    # Task processes are forked from the scheduler: what it has imported, no task imports again.
    import cosmos.operators.local  # noqa: F401, TID251
    import dbt.adapters.postgres
    import dbt.cli.main
    import dbt.task.build  # noqa: F401
    import evidently  # noqa: F401, TID251
    import gensim.models  # noqa: F401
    import mlflow.sklearn  # noqa: F401
    import pandas  # noqa: F401
    import shap  # noqa: F401
    import sklearn.pipeline  # noqa: F401
    import skops.io  # noqa: F401
    from openlineage.common.provider.dbt import local  # noqa: F401

    import web.plugin  # noqa: F401
    from maeari import warehouse

    # dbt writes its validators when it first runs, which takes longer than to build a model.
    warehouse.run_dbt("--no-write-json", "parse")
