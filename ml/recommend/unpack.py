"""A version's arrays in one file below `MAEARI_HOME`, from which the book bot starts in seconds.

To find and read a saved version takes MLflow and skops, hundreds of megabytes and seconds. So what was read of it once,
and checked to be the registered one, is kept under the sha256 of its artifact; `store_books` sees to it as soon as a
version is live. Where it is missing, `python -m ml.recommend.unpack VERSION` writes it, a process of its own, so that
what that takes stays out of the one that answers.
"""

import gc
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from maeari.errors import MaeariError
from maeari.settings import Settings
from ml.errors import ArtifactChanged, UnknownVersion
from ml.recommend.model import BookRecommender

CONFIG = "config"
KEPT_FILES = 2
"""The live version and the one before, to which a rollback leads."""
logger = logging.getLogger("maeari.skill")


def keep(model: BookRecommender, artifact_sha256: str) -> None:
    """Write the arrays of a version that was checked, unless they are kept already, and remove the oldest others."""
    file = _file(artifact_sha256)
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: value for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    # Of two that write at once, each has a file of its own until it is whole.
    unfinished = file.with_suffix(f".{os.getpid()}.partial")
    with unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{CONFIG: np.array(json.dumps(model.config))}, **arrays)
    os.replace(unfinished, file)
    # Another may remove the same ones meanwhile.
    with suppress(FileNotFoundError):
        newest_first = sorted(file.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in newest_first[KEPT_FILES:]:
            old.unlink()


class Unpacking:
    """The recommender of a version, from the file that is kept or from one that a process begins to write at once."""

    def __init__(self, version: int, artifact_sha256: str):
        self._version, self._file = version, _file(artifact_sha256)
        self._process = None if self._file.exists() else self._begun()

    def result(self) -> BookRecommender:
        """The recommender; waits until its file is written. Raises UnknownVersion where that fails."""
        if self._process is None:
            try:
                return _read(self._file)
            except Exception as error:
                # Whatever is wrong with it, the registry has the whole.
                logger.warning("%s cannot be right and is written anew: %s", self._file, error)
                self._file.unlink(missing_ok=True)
                self._process = self._begun()
        _, errors = self._process.communicate()
        if self._process.returncode != 0:
            last = errors.strip().splitlines()[-1:] or [f"exit code {self._process.returncode}"]
            raise UnknownVersion(f"The live recommender could not be read: {last[0]}")
        return _read(self._file)

    def stop(self) -> None:
        """End the process where it still runs."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process.stderr.close()

    def _begun(self) -> subprocess.Popen:
        return subprocess.Popen(
            # -P: the folder that someone happens to be in is no place for modules.
            [sys.executable, "-P", "-m", "ml.recommend.unpack", str(self._version)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def _file(artifact_sha256: str) -> Path:
    return Settings().path("unpacked", f"{artifact_sha256}.npz")


def _read(file: Path) -> BookRecommender:
    with np.load(file, allow_pickle=False) as kept:
        # Each is checked against the sum of its bits that was written with it.
        state = {name: kept[name] for name in kept.files}
    if CONFIG not in state or "book_ids_" not in state:
        raise ArtifactChanged(f"It holds {', '.join(sorted(state)) or 'nothing'}.")
    model = BookRecommender(json.loads(str(state.pop(CONFIG))))
    model.__setstate__(vars(model) | state)
    return model


def _unpack(version: int) -> None:
    from ml import registry
    from ml.recommend.predict import MODEL, load

    keep(load(version), registry.registered(MODEL, version).artifact_sha256)


if __name__ == "__main__":
    # What it reads is kept until it ends, which is soon.
    gc.disable()
    try:
        _unpack(int(sys.argv[1]))
    except MaeariError as error:
        sys.exit(" ".join(str(error).split()))
