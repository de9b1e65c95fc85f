"""Figures as Markdown, and where they stand on a page."""

import os
import sys
from importlib.metadata import version
from pathlib import Path


def table(heads: tuple, rows: list[tuple]) -> str:
    """Rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def versions(*packages: str) -> str:
    """What was measured with, in a sentence: packages and cores."""
    told = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"Measured with {told} on {os.cpu_count()} cores."


def write_between(name: str, page: Path, text: str) -> None:
    """Put a text between the markers `<!-- name:begin -->` and `<!-- name:end -->` of a page."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    whole = page.read_text()
    before, found, rest = whole.partition(f"{begin}\n")
    _, ended, after = rest.partition(end)
    if not (found and ended):
        sys.exit(f"{page} has no place for figures: put {begin} and {end} there, each on a line.")
    page.write_text(f"{before}{found}\n{text}\n\n{ended}{after}")
