"""Commands that explain what a model said."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.terminal import printable
from maeari import clock

app = typer.Typer()
explain_app = typer.Typer(no_args_is_help=True, help="Say why a model thinks what it thinks.")
app.add_typer(explain_app, name="explain")
console = Console()


@explain_app.command("churn")
def explain_churn(
    customer: Annotated[str, typer.Argument(help="The customer, as in marts.retention_list.")],
    as_of: Annotated[
        str | None, typer.Option(help="The newest score up to this day, YYYY-MM-DD; today without it.")
    ] = None,
) -> None:
    """Print how likely a customer leaves and why: five reasons by SHAP, five by LIME, and how far they agree.

    Example: `maeari explain churn 12346 --as-of 2011-09-30`
    """
    from ml.churn.explain import explain

    found = explain(customer, clock.today(as_of))
    console.print(
        f"{printable(found.customer_id)} leaves with a probability of {100 * found.churn_probability:.1f} % in the 60 "
        f"days after {found.as_of_on}, says version {found.model_version}. The points are of the forest's own "
        "score, as if half of the customers left; calibration and the shift to the expected share come after it.",
        markup=False,
        highlight=False,
    )
    for method, reasons in (("SHAP", found.shap), ("LIME", found.lime)):
        table = Table("", method, "points")
        for reason in reasons:
            table.add_row(str(reason.rank), printable(reason.reason), f"{100 * reason.contribution:+.1f}")
        console.print(table)
    console.print(
        f"Agreement: {100 * found.agreement.top_in_common:.0f} % of the five strongest in common, "
        f"rank correlation {found.agreement.rank_correlation:.2f} over all features.",
        highlight=False,
    )
