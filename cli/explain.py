"""Commands that explain what a model said."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal import given_text, printable
from maeari import clock
from maeari.answers import UNSURE_BECAUSE, probability
from maeari.errors import MaeariError

app = typer.Typer()
explain_app = typer.Typer(no_args_is_help=True, help="Say why a model thinks what it thinks.")
app.add_typer(explain_app, name="explain")
console = Console()

SHOWN_PARTS = 60
BAR_WIDTH = 12


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


@explain_app.command("sentiment")
def explain_sentiment(
    as_of: Annotated[str | None, typer.Option(help="The day this is done for, YYYY-MM-DD; today without it.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Explain this text instead, and write nothing; - reads standard input.")
    ] = None,
    review: Annotated[str | None, typer.Option(help="Explain this review instead, by its review_id.")] = None,
    version: Annotated[
        int | None, typer.Option(help="With --text or --review: by this version; the live one without it.")
    ] = None,
) -> None:
    """Explain the scored reviews of two months that are not explained yet, safe to repeat; or one text or review.

    Example: `maeari explain sentiment`, or `maeari explain sentiment --text "커피는 맛있는데 직원이 불친절해요"`, or
    `maeari explain sentiment --review demo_cafe:1`
    """
    from ml.sentiment import explain

    if text is not None and review is not None:
        raise MaeariError("Give --text or --review, not both.")
    if text is None and review is None:
        if version is not None:
            raise MaeariError("--version goes with --text or --review; reviews are explained by the one in charge.")
        console.print(explain.explain_reviews(clock.today(as_of)))
    elif text is not None:
        if as_of is not None:
            raise MaeariError("--as-of chooses reviews of the warehouse; leave it out with --text.")
        _print_explanation(given_text(text), version)
    else:
        _print_explanation(explain.read_review(review, clock.today(as_of)), version)


def _print_explanation(text: str, version: int | None) -> None:
    from maeari.text import joined
    from ml import registry
    from ml.sentiment import aspects, explain
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.predict import answer, load

    version = registry.live_version("sentiment") if version is None else version
    if version is None:
        raise MaeariError(
            "No version of sentiment is live. `maeari models` lists the versions: name one with --version, or let "
            "release_model ask for the approval of one."
        )
    classifier, text = load(version), joined(None, text)
    answers = answer(classifier, SentimentConfig(**registry.registered("sentiment", version).card["config"]), [text])
    because = answers.unsure_because[0]
    console.print(
        f"{answers.labels[0]}{f' ({UNSURE_BECAUSE[because]})' if because else ''}, reads like {answers.stars[0]:.1f} "
        f"stars, positive with a probability of {probability(answers.probabilities[0], 1)}, says sentiment version "
        f"{version}.",
        highlight=False,
    )
    found = explain.explain(classifier, text)
    console.print(
        f"The score is {found.score:+.2f} (log odds before calibration): {found.base_score:+.2f} for any text, the "
        "rest by its words, and again by its morphemes. + speaks for positive, - for negative.",
        highlight=False,
    )
    compared = found.comparison
    columns = {} if compared is None else {"SHAP": compared.shap, "LIME": compared.lime}
    _print_parts("words", found.words, columns)
    if compared is None:
        console.print("SHAP and LIME are left out: the text is too long for them.", highlight=False)
    elif compared.shap_agreement is None and compared.lime_agreement is None:
        console.print("Agreement of SHAP and LIME with the words: nothing to rank.")
    else:
        agreements = (("SHAP", compared.shap_agreement), ("LIME", compared.lime_agreement))
        told = (f"{name} {'nothing to rank' if value is None else f'{value:.2f}'}" for name, value in agreements)
        console.print(f"Agreement with the words (rank correlation): {', '.join(told)}.", highlight=False)
    _print_parts("morphemes", found.morphemes, {})
    names = aspects.load().aspects
    for key, aspect in found.aspects.items():
        clauses = " … ".join(found.text[start:end] for start, end in aspect["spans"])
        console.print(Text(f"{names[key].name} ({key}) {aspect['score']:+.2f}: {printable(clauses)}"))


def _print_parts(title: str, parts: list, columns: dict) -> None:
    """A table of the parts, if any, in the order of the text; of very many the strongest, which the title says."""
    if not parts:
        return
    strength = sorted(range(len(parts)), key=lambda position: -abs(parts[position].contribution))
    shown = sorted(strength[:SHOWN_PARTS])
    if len(shown) < len(parts):
        title = f"{title}: the {len(shown)} strongest of {len(parts):,}"
    table = Table("", "adds", "", *columns, title=title, title_justify="left")
    largest = max((abs(part.contribution) for part in parts), default=0)
    for position in shown:
        part = parts[position]
        length = round(BAR_WIDTH * abs(part.contribution) / largest) if largest else 0
        bar = ("+" if part.contribution > 0 else "-") * length
        others = [f"{values[position]:+.3f}" for values in columns.values()]
        table.add_row(Text(printable(part.text[:40])), f"{part.contribution:+.3f}", bar, *others)
    console.print(table)
