"""Peers that we are measured beside, each in an environment of its own and never in ours."""

import subprocess
import sys
from pathlib import Path


def installed(folder: Path, *packages: str) -> Path:
    """The Python of a new environment that has the packages; its errors are those of pip."""
    environment = folder / "peer"
    python = environment / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(environment)],
        [str(python), "-m", "pip", "install", "--quiet", *packages],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return python
