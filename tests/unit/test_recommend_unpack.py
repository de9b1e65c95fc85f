"""The arrays of a recommender as they are kept beside the registry: the same again, and no files of no use."""

import os

import numpy as np
import pytest

from maeari.settings import Settings
from ml.errors import UnknownVersion
from ml.recommend import unpack
from ml.recommend.config import RecommendConfig
from ml.recommend.model import BookRecommender


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MAEARI_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def model() -> BookRecommender:
    small = {"item_vector_size": 4, "text_vector_size": 4, "item_epochs": 1, "text_epochs": 1}
    draws = np.random.default_rng(0)
    return BookRecommender(RecommendConfig(**small).model_dump()).fit(
        [f"책-{number}" for number in range(20)],
        [["잔잔하다", f"낱말{number % 5}"] for number in range(20)],
        [draws.choice(18, 4, replace=False) for _ in range(60)],
    )


def kept_files() -> list[str]:
    return sorted(os.listdir(Settings().path("unpacked")))


def test_what_is_kept_is_the_same_recommender_and_needs_no_registry(model):
    unpack.keep(model, "a" * 64)
    again = unpack.Unpacking(1, "a" * 64).result()
    assert again.config == model.config
    arrays = {name: value for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    assert vars(again).keys() == {"config", *arrays}
    for name, value in arrays.items():
        np.testing.assert_array_equal(getattr(again, name), value)
        assert getattr(again, name).dtype == value.dtype
    assert again.recommend(["책-3"], "잔잔한 낱말2", [], 5) == model.recommend(["책-3"], "잔잔한 낱말2", [], 5)


def test_only_the_two_newest_are_kept_and_nothing_unfinished(model):
    folder = Settings().path("unpacked")
    folder.mkdir()
    unfinished = folder / f"{'0' * 64}.1.partial"
    unfinished.write_bytes(b"a process was killed here")
    os.utime(unfinished, (0, 0))
    for number, sha in enumerate(("a" * 64, "b" * 64, "c" * 64), start=1):
        unpack.keep(model, sha)
        os.utime(folder / f"{sha}.npz", (number, number))
        unpack.keep(model, sha)
        os.utime(folder / f"{sha}.npz", (number, number))
    unpack.keep(model, "d" * 64)
    assert kept_files() == [f"{'c' * 64}.npz", f"{'d' * 64}.npz"]


def test_a_version_that_cannot_be_read_says_why(monkeypatch):
    monkeypatch.setenv("MAEARI_DATABASE_URL", "postgresql://postgres:x@127.0.0.1:1/maeari")
    file = Settings().path("unpacked", f"{'e' * 64}.npz")
    file.parent.mkdir()
    file.write_bytes(b"")
    unpacking = unpack.Unpacking(7, "e" * 64)
    try:
        with pytest.raises(UnknownVersion, match=r"could not be read: .*127\.0\.0\.1"):
            unpacking.result()
    finally:
        unpacking.stop()
    assert not file.exists()
