"""The live recommender's arrays, read by a process of their own: what that takes stays out of the one that answers.

To find and read a saved version takes MLflow and skops, hundreds of megabytes and seconds, while the one who waits for
it has other things to load. `python -m ml.recommend.unpack FOLDER` writes the arrays into the folder and prints the
version; where none is live, it writes nothing and prints nothing.
"""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from maeari.errors import MaeariError
from ml.errors import UnknownVersion

CONFIG = "config.json"


class Unpacking:
    """A process that reads the version that is live; it begins at once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="maeari-recommender-")
        self._process = subprocess.Popen(
            # -P: the folder that someone happens to be in is no place for modules.
            [sys.executable, "-P", "-m", "ml.recommend.unpack", self._folder.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self):
        """The version that was live and its recommender, or None and None; waits until they are read."""
        try:
            told, errors = self._process.communicate()
            if self._process.returncode != 0:
                last = errors.strip().splitlines()[-1:] or [f"exit code {self._process.returncode}"]
                raise UnknownVersion(f"The live recommender could not be read: {last[0]}")
            return (int(told), _read(Path(self._folder.name))) if told.strip() else (None, None)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the process where it still runs, and remove what it wrote."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()
        self._folder.cleanup()


def write(folder: Path) -> int | None:
    """Write the arrays of the live version into a folder, and return the version."""
    from ml import registry
    from ml.recommend.predict import MODEL, load

    version = registry.live_version(MODEL)
    if version is not None:
        model = load(version)
        (folder / CONFIG).write_text(json.dumps(model.config))
        for name, value in vars(model).items():
            if isinstance(value, np.ndarray):
                np.save(folder / f"{name}.npy", value, allow_pickle=False)
    return version


def _read(folder: Path):
    from ml.recommend.model import BookRecommender

    state = {file.stem: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
    model = BookRecommender(json.loads((folder / CONFIG).read_text()))
    model.__setstate__(vars(model) | state)
    return model


if __name__ == "__main__":
    # What it reads is kept until it ends, which is soon.
    gc.disable()
    try:
        found = write(Path(sys.argv[1]))
    except MaeariError as error:
        sys.exit(str(error))
    print("" if found is None else found)
