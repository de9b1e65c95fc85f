"""Commands of the warehouse: build, publish, docs, freshness."""

from typing import Annotated

import typer
from rich import print

from maeari import clock

app = typer.Typer()

AsOf = Annotated[str | None, typer.Option(help="The day this is done for, YYYY-MM-DD; today without it.")]


@app.command()
def build(as_of: AsOf = None) -> None:
    """Build and test staging, intermediate and marts from everything landed, without Airflow.

    Example: `maeari build`
    """
    from maeari import warehouse

    print(warehouse.build(clock.today(as_of)))


@app.command()
def publish(
    as_of: AsOf = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only of this kind: sentiment, churn, topics or keywords; again for more.")
    ] = None,
) -> None:
    """Rebuild the marts that show what the live models said.

    Example: `maeari publish`, or `maeari publish --kind topics --kind keywords`
    """
    from maeari import warehouse

    print(warehouse.publish(clock.today(as_of), kind or warehouse.PUBLISHED))


@app.command()
def docs() -> None:
    """Write the documentation of every table as one HTML file that opens offline.

    Example: `maeari docs`
    """
    from maeari import warehouse

    print(warehouse.write_docs())


@app.command()
def freshness() -> None:
    """Say whether reviews and articles have been crawled lately enough.

    Example: `maeari freshness`
    """
    from maeari import warehouse

    print(warehouse.check_freshness())
