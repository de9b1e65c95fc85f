"""Measuring the sentiment model on the files of a public benchmark."""

import gzip
import random
import re
import sys

import pytest

from cli import main
from ml.errors import UnreadableDataset
from ml.sentiment import nsmc

HEADER = "id\tdocument\tlabel\n"


def lines(count: int, seed: int) -> str:
    """So many reviews that their words nearly tell, one of them empty, one with quotes, one with odd line ends."""
    draws = random.Random(seed)
    words = {
        1: ("재밌어요", "최고의 영화", "감동적이네요", "또 보고 싶다"),
        0: ("지루해요", "최악의 영화", "돈 아깝네요", "실망했다"),
    }
    rows = []
    for number in range(count):
        label = number % 2
        told = label if draws.random() < 0.95 else 1 - label
        noise = "".join(chr(draws.randrange(0xAC00, 0xD7A4)) for _ in range(3))
        rows.append(f"{number}\t{draws.choice(words[told])} {noise}\t{label}\n")
    rows[5] = "5\t\t1\n"
    rows[6] = '6\t"열린 따옴표\t0\n'
    rows[7] = "7\t한 줄\u2028두 줄\x85세 줄\t1\r\n"
    return HEADER + "".join(rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nsmc")
    training, test = folder / "train.txt", folder / "test.txt.gz"
    training.write_bytes(b"\xef\xbb\xbf" + lines(1_000, seed=1).encode())
    test.write_bytes(gzip.compress(lines(400, seed=2).encode(), mtime=0))
    return training, test


def run(monkeypatch, *arguments) -> int:
    """The exit code of `maeari evaluate sentiment`."""
    monkeypatch.setattr(sys, "argv", ["maeari", "evaluate", "sentiment", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return ended.value.code


def test_one_figure_a_line_on_stdout_and_the_rest_on_stderr(files, monkeypatch, capsys):
    assert run(monkeypatch, "--dataset", "nsmc", *files) == 0
    told = capsys.readouterr()
    figures = told.out.splitlines()
    names = [line.split()[0] for line in figures]
    assert names == ["accuracy", "f1", "roc_auc", "ece", "train_seconds", "reviews_per_second"]
    assert re.fullmatch(r"accuracy 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", figures[0])
    assert all(re.fullmatch(r"[a-z0-9_]+ \d+(\.\d+)?( \[\d\.\d{4}, \d\.\d{4}\])?", line) for line in figures)
    assert float(figures[0].split()[1]) > 0.85
    assert "3 of the 400 test rows repeat a text of the training file" in told.err
    assert "are not the 150,000 and 50,000 of the standard split" in told.err


def test_rows_are_read_as_they_are(files):
    training, test = (nsmc.read(file) for file in files)
    assert (len(training), len(test)) == (1_000, 400)
    assert training["text"][[5, 6, 7]].tolist() == ["", '"열린 따옴표', "한 줄\u2028두 줄\x85세 줄"]
    assert training["is_positive"].tolist() == [number % 2 == 1 for number in range(1_000)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (HEADER.encode(), "has no row below its header"),
        (b"id\tdocument\n1\ta\n", "line 1: .*lacks label"),
        (b"1\tgood\t1\n", "line 1: wanted is the header id<tab>document<tab>label"),
        (HEADER.encode() + b"1\tgood\t1\n2\tbad\n", "line 3: 2 fields, wanted are 3"),
        (HEADER.encode() + b"1\tgood\tbetter\t1\n", "line 2: 4 fields"),
        (HEADER.encode() + b"1\tgood\tpositive\n", "line 2: the label is “positive”; wanted is 0"),
        (HEADER.encode() + "1\t좋다\t1\n".encode("cp949"), "line 2: not UTF-8 from byte 3 on.*CP949"),
        ((HEADER + "1\t좋다\t1\n").encode("utf-16"), "line 1: a NUL byte.*UTF-16"),
        (HEADER.encode() + b"1\tgo\0od\t1\n", "line 2: a NUL byte"),
        (gzip.compress(HEADER.encode() + b"1\tgood\t1\n" * 99, mtime=0)[:-9], "not a whole gzip file"),
        (HEADER.encode() + b"1\t" + b"x" * nsmc.MAX_LINE_BYTES, "line 2: longer than 4,000,000 bytes"),
    ],
)
def test_a_bad_file_is_refused_by_its_line(tmp_path, content, said):
    file = tmp_path / "ratings.txt"
    file.write_bytes(content)
    with pytest.raises(UnreadableDataset, match=said):
        nsmc.read(file)


def test_what_cannot_be_measured_ends_with_a_sentence(files, tmp_path, monkeypatch, capsys):
    one_sided = tmp_path / "one_sided.txt"
    one_sided.write_text(HEADER + "1\t\x1b[31m좋다\t1\n" * 3)
    assert run(monkeypatch, "--dataset", "nsmc", files[0], one_sided) == 1
    assert "Of the 3 test rows, 0 bear one of the labels" in capsys.readouterr().err
    one_sided.write_text(HEADER + "1\t좋다\t\x1b[31m1\n")
    assert run(monkeypatch, "--dataset", "nsmc", files[0], one_sided) == 1
    assert "the label is “\\x1b[31m1”" in capsys.readouterr().err
    assert run(monkeypatch, "--dataset", "nsmc", files[0], tmp_path / "missing.txt") == 2
    assert run(monkeypatch, "--dataset", "other", *files) == 2
