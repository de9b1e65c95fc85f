"""Tests of this folder speak to the shared stack as a process of its own home would."""

import pytest


@pytest.fixture(autouse=True)
def in_the_home_of_the_stack(request, monkeypatch):
    """`Settings()` means the shared stack during a test that uses it."""
    if "stack" in request.fixturenames:
        monkeypatch.setenv("MAEARI_HOME", str(request.getfixturevalue("stack").home))
        monkeypatch.delenv("MAEARI_DATABASE_URL", raising=False)
