"""The NSMC benchmark of Korean film reviews, measured on the two files of its standard split.

Source of the format: Lucy Park, Naver sentiment movie corpus v1.0 (2016), `ratings_train.txt` and `ratings_test.txt`.
"""

import gzip
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd
from sklearn.metrics import f1_score

from ml.errors import UnreadableDataset
from ml.sentiment.classifier import ReviewClassifier
from ml.sentiment.config import SentimentConfig
from ml.sentiment.predict import answer
from ml.sentiment.text import normalise
from ml.statistics import calibration_error, roc_auc_interval, share

COLUMNS = ("id", "document", "label")
ROWS = {"training": 150_000, "test": 50_000}
"""Rows of the standard split: 1 to 4 stars of 10 are negative (0), 9 and 10 positive (1), half of each."""
MAX_LINE_BYTES = 4_000_000
_GZIP_MARK = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARACTERS = 60
_WARM_UP_ROWS = 100


def read(file: Path) -> pd.DataFrame:
    """The rows of a file as columns `text` and `is_positive`, in its order; a file in gzip is unpacked.

    Lines end with a line feed, fields are parted by tabs and never quoted; a document may be empty. Raises
    `UnreadableDataset` with the line at the first that is otherwise.
    """
    try:
        with file.open("rb") as stream:
            # Looked at without a step forward, because a pipe knows none back.
            packed = stream.peek(len(_GZIP_MARK)).startswith(_GZIP_MARK)
            rows = list(_rows(gzip.GzipFile(fileobj=stream) if packed else stream, file.name))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableDataset(f"{file.name} is not a whole gzip file: {error}. Fetch it again.") from error
    except OSError as error:
        raise UnreadableDataset(f"{file} cannot be read: {error.strerror}. Give a file of NSMC.") from error
    if not rows:
        raise UnreadableDataset(f"{file.name} has no row below its header; give the whole file.")
    return pd.DataFrame(rows, columns=["text", "is_positive"])


def _rows(stream: BinaryIO, name: str) -> Iterator[tuple[str, bool]]:
    header = _line(stream, name, 1)
    if header is None:
        raise UnreadableDataset(f"{name} is empty; wanted is a header {'<tab>'.join(COLUMNS)} and a row a review.")
    if tuple(header) != COLUMNS:
        missing = [column for column in COLUMNS if column not in header]
        lacks = f"lacks {' and '.join(missing)}" if missing else "has others too"
        raise UnreadableDataset(
            f"{name}, line 1: wanted is the header {'<tab>'.join(COLUMNS)}; it {lacks}: {_shown('<tab>'.join(header))}."
        )
    number = 1
    while (fields := _line(stream, name, number := number + 1)) is not None:
        if len(fields) != len(COLUMNS):
            raise UnreadableDataset(
                f"{name}, line {number}: {len(fields)} fields, wanted are {len(COLUMNS)} parted by tabs "
                f"({', '.join(COLUMNS)}): {_shown('<tab>'.join(fields))}."
            )
        _, text, label = fields
        if label not in ("0", "1"):
            raise UnreadableDataset(
                f"{name}, line {number}: the label is {_shown(label)}; wanted is 0 (negative) or 1 (positive)."
            )
        yield text, label == "1"


def _line(stream: BinaryIO, name: str, number: int) -> list[str] | None:
    """The fields of the next line; None after the last."""
    line = stream.readline(MAX_LINE_BYTES + 1)
    if not line:
        return None
    if len(line) > MAX_LINE_BYTES:
        raise UnreadableDataset(f"{name}, line {number}: longer than {MAX_LINE_BYTES:,} bytes; no review is.")
    if number == 1:
        line = line.removeprefix(_UTF8_MARK)
    if b"\0" in line:
        raise UnreadableDataset(
            f"{name}, line {number}: a NUL byte, so this is not text in UTF-8. Convert it first, as by "
            "`iconv -f UTF-16 -t UTF-8`."
        )
    try:
        return line.decode("utf-8").removesuffix("\n").removesuffix("\r").split("\t")
    except UnicodeDecodeError as error:
        raise UnreadableDataset(
            f"{name}, line {number}: not UTF-8 from byte {error.start + 1} on. Convert it first, as by "
            "`iconv -f CP949 -t UTF-8`."
        ) from error


def _shown(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return f"“{shown}”"


@dataclass(frozen=True)
class Figure:
    """One figure, with its 95 % interval where there is one."""

    name: str
    value: float
    digits: int = 4
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        value, low, high = (
            None if one is None else f"{one:.{self.digits}f}" for one in (self.value, self.low, self.high)
        )
        return f"{self.name} {value}" if low is None else f"{self.name} {value} [{low}, {high}]"


def measure(training: pd.DataFrame, test: pd.DataFrame, config: SentimentConfig | None = None) -> list[Figure]:
    """Learn from the training rows, all of equal weight, and measure on the test rows as they are.

    The figures: accuracy (Wilson's interval), F1 of the positive reviews, the area under the ROC curve (DeLong's
    interval), the expected calibration error, the seconds of training from texts in memory, and how many reviews a
    second get probability and answer, compiled code being warm.
    """
    config = config or SentimentConfig()
    for name, rows in (("training", training), ("test", test)):
        rarer = rows["is_positive"].value_counts().reindex([True, False], fill_value=0).min()
        if rarer < config.calibration_folds:
            raise UnreadableDataset(
                f"Of the {len(rows):,} {name} rows, {rarer} bear one of the labels; give a file with more of both."
            )
    started = time.perf_counter()
    classifier = ReviewClassifier(**config.model_dump(include=set(ReviewClassifier().get_params())))
    classifier.fit(training["text"].tolist(), training["is_positive"].to_numpy())
    trained = time.perf_counter()
    texts = test["text"].tolist()
    answer(classifier, config, texts[:_WARM_UP_ROWS])
    warm = time.perf_counter()
    probabilities = answer(classifier, config, texts).probabilities
    answered = time.perf_counter()
    truth = test["is_positive"].to_numpy()
    accuracy, area = share((probabilities >= 0.5) == truth), roc_auc_interval(truth, probabilities)
    return [
        Figure("accuracy", accuracy["value"], low=accuracy["low"], high=accuracy["high"]),
        Figure("f1", float(f1_score(truth, probabilities >= 0.5))),
        Figure("roc_auc", area.value, low=area.low, high=area.high),
        Figure("ece", calibration_error(probabilities, truth)),
        Figure("train_seconds", trained - started, digits=1),
        Figure("reviews_per_second", len(test) / (answered - warm), digits=0),
    ]


def remarks(training: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """What a reader of the figures must know about the two files, one sentence each."""
    known = set(normalise(training["text"].tolist()).texts())
    repeated = sum(text in known for text in normalise(test["text"].tolist()).texts())
    found = [
        f"{repeated:,} of the {len(test):,} test rows repeat a text of the training file; they stay, as the standard "
        "split has them."
    ]
    if (len(training), len(test)) != tuple(ROWS.values()):
        found.append(
            f"{len(training):,} and {len(test):,} rows are not the {ROWS['training']:,} and {ROWS['test']:,} of the "
            "standard split: these figures compare with no published ones."
        )
    return found
