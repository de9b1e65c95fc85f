"""Loops compiled by numba, whose work is kept where this user may write."""

import tempfile
from pathlib import Path

import numba

from maeari.settings import Settings


def compiler(module: str):
    """`numba.njit` for a module's file: keeps its work beside the byte code, else in the home, else in this process."""
    if _can_write(Path(module).parent / "__pycache__"):
        return numba.njit(nogil=True, cache=True)
    if _can_write(Settings().path("cache", "numba")):
        numba.config.CACHE_DIR = str(Settings().path("cache", "numba"))
        return numba.njit(nogil=True, cache=True)
    return numba.njit(nogil=True)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
