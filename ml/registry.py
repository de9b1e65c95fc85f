"""Model versions: MLflow keeps the artifacts, `ops` says what was trained on what and what is live."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version as library_version
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sklearn.pipeline import Pipeline

from maeari import postgres
from maeari.settings import Settings
from ml.errors import ArtifactChanged, UnknownVersion

LIVE_ALIAS = "live"
ABANDONED_TAG = "maeari.abandoned"
ARTIFACT_FILE = "model.skops"
# What a saved pipeline may hold beyond what skops trusts by itself.
TRUSTED_TYPES = [
    # These refuse arrays and numbers that no training can have made.
    "ml.recommend.model.BookRecommender",
    "ml.sentiment.classifier.ReviewClassifier",
    "ml.topics.model.TopicModel",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.model_selection._split.PredefinedSplit",
    # Arrays of numbers: a wrong one can break off the process, but runs no code, and the sha256 is checked before.
    "sklearn.tree._tree.Tree",
]
REQUIREMENTS = ("scikit-learn", "numpy", "skops")


@dataclass(frozen=True)
class TrainingSet:
    """Which rows a version learned from, and how to read them again."""

    training_set_id: str
    known_until: datetime
    rows: int
    row_keys_sha256: str
    query: str


@dataclass(frozen=True)
class Registered:
    """One row of `ops.model_versions`."""

    model: str
    version: int
    trained_at: datetime
    training_set_id: str
    metrics: dict
    card: dict
    artifact_sha256: str
    mlflow_run_id: str


@dataclass(frozen=True)
class Stretch:
    """From when until when (open while None) reviews written then are a version's to score."""

    version: int
    effective_from: datetime
    effective_until: datetime | None


def register(
    model: str, pipeline: Pipeline, *, card: dict, metrics: dict, config: dict, training_set: TrainingSet
) -> int:
    """Save a trained pipeline and return its version: MLflow first, then `ops` in one transaction."""
    # Before anything is saved: Postgres takes no NaN, and half a registration helps nobody.
    written_metrics, written_card = (json.dumps(part, ensure_ascii=False, allow_nan=False) for part in (metrics, card))
    mlflow = _mlflow()
    with mlflow.start_run(experiment_id=_experiment_id(model)) as run:
        mlflow.log_params(config)
        mlflow.log_metrics({name: value for name, value in metrics.items() if isinstance(value, int | float)})
        mlflow.log_dict(card, "card.json")
        saved = mlflow.sklearn.log_model(
            pipeline,
            name=model,
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
            # Named here, because MLflow would otherwise start an interpreter to find them out.
            pip_requirements=[f"{library}=={library_version(library)}" for library in REQUIREMENTS],
            registered_model_name=model,
        )
    version = int(saved.registered_model_version)
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.training_sets (training_set_id, model, known_until, rows, row_keys_sha256, query)"
            " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                training_set.training_set_id,
                model,
                training_set.known_until,
                training_set.rows,
                training_set.row_keys_sha256,
                training_set.query,
            ),
        )
        cursor.execute(
            "insert into ops.model_versions (model, version, trained_at, training_set_id, metrics, card,"
            " artifact_sha256, mlflow_run_id) values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                model,
                version,
                datetime.now(UTC),
                training_set.training_set_id,
                written_metrics,
                written_card,
                _sha256(_artifact(model, version)),
                run.info.run_id,
            ),
        )
    return version


def load(model: str, version: int) -> Pipeline:
    """The saved pipeline, refused unless it is byte for byte the registered one; no code in it is executed."""
    import skops.io

    wanted = registered(model, version).artifact_sha256
    file = _artifact(model, version)
    try:
        found = _sha256(file)
    except FileNotFoundError as error:
        raise UnknownVersion(
            f"{file}, the saved {model} version {version}, is gone. Restore it from a backup, or train a new version."
        ) from error
    if found != wanted:
        raise ArtifactChanged(
            f"{file} has the sha256 {found}; {model} version {version} was registered with {wanted}. "
            "Restore the file from a backup, or train and release a new version."
        )
    return skops.io.load(file, trusted=TRUSTED_TYPES)


def registered(model: str, version: int) -> Registered:
    """The registered version; `UnknownVersion` when `ops.model_versions` has no such row."""
    for row in versions(model):
        if row.version == version:
            return row
    raise UnknownVersion(
        f"ops.model_versions has no version {version} of {model}. `maeari models` lists the versions there are."
    )


def newest(model: str) -> Registered:
    """The version that was registered last."""
    found = versions(model)
    if not found:
        raise UnknownVersion(f"No version of {model} is registered. `maeari train {model}` makes the first.")
    return found[0]


def versions(model: str) -> list[Registered]:
    """Every registered version, newest first."""
    rows = _rows(
        "select model, version, trained_at, training_set_id, metrics, card, artifact_sha256, mlflow_run_id"
        " from ops.model_versions where model = %s order by version desc",
        (model,),
    )
    return [Registered(*row) for row in rows]


def has_only_replays(model: str) -> bool:
    """Whether every release of the model so far was a replay; true when there was none."""
    return not _rows("select 1 from ops.deployments where model = %s and not is_replay limit 1", (model,))


def live_version(model: str, at: datetime | None = None) -> int | None:
    """The version that was live at a moment of the wall clock, by default now; None when none was."""
    if at is None:
        rows = _rows("select version from ops.deployments where model = %s and live_to is null", (model,))
    else:
        rows = _rows(
            "select version from ops.deployments"
            " where model = %s and live_from <= %s and (live_to is null or live_to > %s)",
            (model, at, at),
        )
    return rows[0][0] if rows else None


def version_before(model: str) -> int | None:
    """The version to which a rollback would lead; None when no other was live before the one that is."""
    with postgres.connect("release") as connection, connection.cursor() as cursor:
        cursor.execute("select version from ops.deployment_before(%s)", (model,))
        row = cursor.fetchone()
    return row and row[0]


def version_for(model: str, at: datetime) -> int | None:
    """The version in charge of what was written at a moment; None before the first took effect."""
    for stretch in stretches(model):
        if stretch.effective_from <= at and (stretch.effective_until is None or at < stretch.effective_until):
            return stretch.version
    return None


def stretches(model: str) -> list[Stretch]:
    """For which times of writing each deployed version is in charge, oldest first; the later approval wins."""
    rows = _rows(
        "select version, effective_from from ops.deployments where model = %s order by deployment_id", (model,)
    )
    found: list[Stretch] = []
    for version, effective_from in rows:
        found = [stretch for stretch in found if stretch.effective_from < effective_from]
        if found:
            found[-1] = Stretch(found[-1].version, found[-1].effective_from, effective_from)
        found.append(Stretch(version, effective_from, None))
    return found


def set_live_alias(model: str, version: int) -> None:
    """Let MLflow's alias `live` point at the version that `ops` says is live."""
    _client().set_registered_model_alias(model, LIVE_ALIAS, str(version))


def differences(model: str) -> list[str]:
    """What MLflow and `ops` disagree about, one sentence each; empty when they agree."""
    found = []
    in_ops = {row.version: row for row in versions(model)}
    in_mlflow = _mlflow_versions(model)
    for version in sorted(in_mlflow - set(in_ops)):
        found.append(f"MLflow has {model} version {version}, ops.model_versions has not: a training run broke off.")
    for version, row in sorted(in_ops.items()):
        if version not in in_mlflow:
            found.append(f"ops.model_versions has {model} version {version}, MLflow has not; restore MLflow's backup.")
        elif (changed := _artifact_difference(row)) is not None:
            found.append(changed)
    live, alias = live_version(model), _alias_version(model)
    if live != alias:
        found.append(f"MLflow's alias live of {model} is at {alias or 'none'}, ops.deployments says {live or 'none'}.")
    return found


def repair(model: str) -> list[str]:
    """Make MLflow follow `ops` where that loses nothing, and return what differs still."""
    client = _client()
    for version in sorted(_mlflow_versions(model) - {row.version for row in versions(model)}):
        client.set_model_version_tag(model, str(version), ABANDONED_TAG, "true")
    live, alias = live_version(model), _alias_version(model)
    if live is None and alias is not None:
        client.delete_registered_model_alias(model, LIVE_ALIAS)
    elif live is not None and live != alias:
        set_live_alias(model, live)
    return differences(model)


def _rows(query: str, parameters: Iterable | dict) -> list[tuple]:
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


@cache
def _mlflow():
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    import mlflow.sklearn

    return mlflow


def _client():
    mlflow = _mlflow()
    parts = urlsplit(Settings().owner_url("mlflow"))
    # A bare postgresql:// would ask for a driver that is not installed.
    mlflow.set_tracking_uri(urlunsplit(parts._replace(scheme="postgresql+psycopg2")))
    return mlflow.MlflowClient()


def _experiment_id(model: str) -> str:
    client = _client()
    experiment = client.get_experiment_by_name(model)
    if experiment is not None:
        return experiment.experiment_id
    return client.create_experiment(model, artifact_location=Settings().path("mlflow", "artifacts").as_uri())


def _artifact(model: str, version: int) -> Path:
    from mlflow.exceptions import MlflowException

    client = _client()
    try:
        source = client.get_model_version_download_uri(model, str(version))
        return Path(_mlflow().artifacts.download_artifacts(artifact_uri=source)) / ARTIFACT_FILE
    except (MlflowException, OSError) as error:
        raise UnknownVersion(
            f"MLflow cannot give the artifact of {model} version {version}: {error}. "
            f"Restore {Settings().path('mlflow', 'artifacts')} from a backup, or train a new version."
        ) from error


def _artifact_difference(row: Registered) -> str | None:
    try:
        found = _sha256(_artifact(row.model, row.version))
    except (UnknownVersion, FileNotFoundError):
        return f"The artifact of {row.model} version {row.version} is gone; restore it from a backup."
    if found != row.artifact_sha256:
        return f"The artifact of {row.model} version {row.version} changed after it was registered; restore it."
    return None


def _mlflow_versions(model: str) -> set[int]:
    return {
        int(found.version)
        for found in _client().search_model_versions(f"name = '{model}'")
        if ABANDONED_TAG not in found.tags
    }


def _alias_version(model: str) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(_client().get_model_version_by_alias(model, LIVE_ALIAS).version)
    except MlflowException:
        return None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
