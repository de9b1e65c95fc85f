"""A health check: exit 0 when an address answers and, where a part of Airflow is named, Airflow calls it healthy."""

import json
import sys
from urllib.request import urlopen


def main(address: str, part: str | None = None) -> None:
    """Raise, and so exit with 1, unless all is well."""
    with urlopen(address, timeout=5) as answer:
        body = answer.read()
    if part is not None and json.loads(body)[part]["status"] != "healthy":
        sys.exit(f"{part}: {body.decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
