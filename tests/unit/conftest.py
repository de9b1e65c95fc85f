"""Fixtures of the unit tests."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from maeari.settings import CHECKOUT

FETCH = """
import json, sys
from pathlib import Path
from scrapy import Request
import crawlers.settings
from crawlers.check import fetch_with
from crawlers.sources import read_source

crawlers.settings.LOG_LEVEL = "DEBUG"

async def work(fetch):
    answers = []
    for request in json.loads(sys.argv[2]):
        try:
            response = await fetch(Request(**request))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
        else:
            headers = {name.decode(): value[0].decode() for name, value in response.headers.items()}
            answers.append([response.url, response.status, headers, response.text[:5000]])
    return answers

answers, stats = fetch_with(read_source(Path(sys.argv[1])), work)
print(json.dumps([*answers, stats.get("robotstxt/verdict")]))
"""


@pytest.fixture
def fetch(tmp_path):
    """A function that fetches addresses as a crawl of a source would, in a process of its own.

    It returns the answers (address, status, headers, text; or the error), the verdict on robots.txt, and the log.
    """

    def run(requests: list, environment: dict | None = None, **facts) -> tuple[list, str | None, str]:
        shared = {"name": "shop", "owner": "the tests", "licence": "our own", "delay_seconds": 0}
        file = tmp_path / "shop.yml"
        file.write_text(yaml.safe_dump({"kind": "review_pages", **shared, **facts}))
        asked = [request if isinstance(request, dict) else {"url": request} for request in requests]
        result = subprocess.run(
            [sys.executable, "-c", FETCH, str(file), json.dumps(asked)],
            env=os.environ | {"MAEARI_HOME": str(tmp_path), **(environment or {})},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        log = "".join(file.read_text() for file in (tmp_path / "logs").rglob("*.log"))
        assert log
        *answers, verdict = json.loads(result.stdout)
        return answers, verdict, log

    return run
