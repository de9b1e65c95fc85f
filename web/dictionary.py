"""What the columns of the warehouse mean, as dbt wrote it down."""

import json
from functools import lru_cache
from pathlib import Path

from maeari.warehouse import manifest_path


def columns(model: str) -> dict[str, dict]:
    """Each documented column of a dbt model: its description and unit; empty before dbt has written its manifest."""
    file = manifest_path()
    return _columns(file, file.stat().st_mtime_ns, model) if file.is_file() else {}


@lru_cache(maxsize=32)
def _columns(file: Path, written: int, model: str) -> dict[str, dict]:
    node = json.loads(file.read_text())["nodes"].get(f"model.maeari.{model}", {})
    return {
        name: {"description": column.get("description", ""), "unit": (column.get("meta") or {}).get("unit", "")}
        for name, column in node.get("columns", {}).items()
    }
