"""The warehouse that the benchmarks measure on: an embedded Postgres in a home of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def warehouse() -> Iterator[Path]:
    """The home of a server with a migrated warehouse, which every connection uses meanwhile."""
    from cli import embedded_postgres
    from maeari import migrate
    from maeari.settings import load_secrets

    home = Path(tempfile.mkdtemp(prefix="maeari-benchmark-"))
    home.chmod(0o755)
    os.environ["MAEARI_HOME"] = str(home)
    try:
        port = embedded_postgres.start(home)
        server = f"postgresql://postgres:{load_secrets(home).postgres.get_secret_value()}@127.0.0.1:{port}"
        os.environ["MAEARI_DATABASE_URL"] = f"{server}/maeari"
        migrate.upgrade(f"{server}/maeari")
        yield home
    finally:
        embedded_postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)
