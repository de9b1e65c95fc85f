"""The page to try the book bot in."""

from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from maeari.errors import SettingsError
from web.skill.app import create_app


@pytest.fixture
def asked() -> list[str]:
    return []


def opened(make) -> int:
    with TestClient(create_app(make, has_chat=True)) as client:
        return client.get("/").status_code


def test_opening_the_page_begins_to_load_the_library(asked):
    librarian = SimpleNamespace(current=lambda: asked.append("current"))
    assert opened(lambda: SimpleNamespace(bot=SimpleNamespace(librarian=librarian))) == 200
    assert asked == ["current"]


def test_a_page_whose_bot_cannot_be_made_opens_all_the_same(asked):
    def make():
        asked.append("made")
        raise SettingsError("no secret")

    assert opened(make) == 200
    assert asked == ["made"]
