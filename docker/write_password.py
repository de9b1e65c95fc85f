"""Make this installation's secrets at its first start, and give Postgres the one password it needs."""

import os
import sys
from pathlib import Path

from maeari.settings import Settings, load_secrets


def main(file: Path) -> None:
    """Write the owner's password to a file with mode 0600."""
    password = load_secrets(Settings().path()).postgres.get_secret_value()
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(password)
    fresh.replace(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
