"""Compiled code is kept where something can be kept, and is compiled all the same where not."""

from maeari import compiling


def test_compiling_needs_no_folder_to_write_to(monkeypatch):
    monkeypatch.setattr(compiling, "_can_write", lambda folder: False)
    assert compiling.compiler(__file__)(lambda number: number + 1)(1) == 2
