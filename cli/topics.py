"""Commands of texts: their keywords, their topics by period, and the words that go together."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.terminal import printable
from maeari import clock
from maeari.errors import MaeariError
from ml.texts.collection import Collection, Every

app = typer.Typer()
console = Console()

AsOf = Annotated[str | None, typer.Option(help="The day this is done for, YYYY-MM-DD; today without it.")]
Of = Annotated[Collection, typer.Argument(help="Whose texts.")]
EveryPeriod = Annotated[Every, typer.Option(help="How long a period is.")]
PeriodDay = Annotated[
    str | None, typer.Option("--period", help="Any day of the period, YYYY-MM-DD; the newest complete one without it.")
]
Source = Annotated[str | None, typer.Option(help="Of this source alone.")]
Section = Annotated[str | None, typer.Option(help="Of this section alone.")]
Subject = Annotated[str | None, typer.Option(help="Of reviews of this subject alone, by its id; needs --source.")]
Copies = Annotated[bool, typer.Option("--copies", help="Count copies of a text each; else once.")]
Most = Annotated[int, typer.Option(min=1, max=1_000, help="Rows shown.")]
TRENDS = {"rising": "▲ rising", "falling": "▼ falling", "steady": "steady", None: "–"}


@app.command()
def analyse(of: Of = Collection.articles, as_of: AsOf = None) -> None:
    """Analyse texts into keywords, those that are new or hold a changed word of the dictionary. Safe to repeat.

    Example: `maeari analyse`, or `maeari analyse reviews`
    """
    from ml.texts.analyse import analyse, unread_texts

    day = clock.today(as_of)
    with _progress() as progress:
        line = progress.add_task(f"Analyse the {of.value}", total=unread_texts(of, day))
        found = analyse(of, day, lambda texts: progress.advance(line, texts))
    console.print(found)


@app.command()
def words(
    of: Of = Collection.articles,
    accept: Annotated[
        list[str] | None, typer.Option(help="Put this proposed word into the dictionary; again for more, or all.")
    ] = None,
    as_of: AsOf = None,
    most: Most = 40,
) -> None:
    """Propose words for the dictionary: nouns that are written together, and words that the analyser does not know.

    A person decides: accepted words go into words.tsv of this home, where they can be edited and deleted.

    Example: `maeari words`, then `maeari words --accept "공공 배달" --accept 무인카페`, then `maeari analyse`
    """
    from ml.texts import dictionary
    from ml.texts.proposals import propose

    with console.status("Reading the newest texts …"):
        found = propose(of, clock.today(as_of))
    if accept:
        chosen = found if accept == ["all"] else _chosen(found, accept)
        file = dictionary.add_words(one.word for one in chosen)
        console.print(
            f"{len(chosen)} words are in {file}. `maeari analyse {of.value}` now reads the texts that hold them."
        )
        return
    table = Table("word", "is", "texts", "score", "such as")
    for one in found[:most]:
        table.add_row(
            Text(printable(one.word.form)), one.kind, f"{one.texts:,}", f"{one.score:.2f}", Text(printable(one.example))
        )
    console.print(table)
    console.print(f"{len(found)} words are proposed. `maeari words --accept WORD` puts one into the dictionary.")


def _chosen(found: list, accept: list[str]) -> list:
    by_form = {one.word.form: one for one in found}
    if unknown := [word for word in accept if word not in by_form]:
        raise MaeariError(
            f"Not proposed: {', '.join(unknown)}. Write a proposed word as `maeari words` shows it, or put any other "
            "word into MAEARI_HOME/words.tsv yourself."
        )
    return [by_form[word] for word in accept]


@app.command()
def mine(of: Of = Collection.articles, as_of: AsOf = None) -> None:
    """Mine which words go together, for every period of which something has changed. Safe to repeat.

    Example: `maeari mine`, then `maeari publish`
    """
    from ml.associations.mine import mine

    with _progress() as progress:
        line = progress.add_task(f"Mine the {of.value}", total=None)
        found = mine(of, clock.today(as_of), progress=lambda done, of: progress.update(line, completed=done, total=of))
    console.print(found)


@app.command()
def topics(
    of: Of = Collection.articles,
    every: EveryPeriod = Every.month,
    period: PeriodDay = None,
    source: Source = None,
    section: Section = None,
    subject: Subject = None,
    copies: Copies = False,
) -> None:
    """Show what the texts of a period were about: each topic's share with its interval, and whether it rises or falls.

    Example: `maeari topics`, or `maeari topics --every week --period 2026-01-12`, or
    `maeari topics reviews --source demo_cafes --subject cafe-01`
    """
    from web import queries, topic_queries

    view = topic_queries.View(of.value, every.value, source, section, subject, copies)
    with queries.reading() as cursor:
        if not queries.exist(cursor, *topic_queries.TOPIC_MARTS):
            raise MaeariError("Nothing is published yet: `maeari score topics`, then `maeari publish`.")
        stable = {one["topic_id"]: one["is_stable"] for one in topic_queries.topics(cursor, of.value)}
        shown = _shown(topic_queries.share_periods(cursor, view), every, period)
        start = shown["period_start_on"]
        shares = topic_queries.shares(cursor, view, start, start)
    _print_heading(of, every, shown)
    if shown["note"]:
        console.print(shown["note"])
        return
    table = Table("topic", "name", "texts", "share", "95 % interval", "trend", "p")
    for one in sorted(shares, key=lambda one: -one["share"]):
        table.add_row(
            str(one["topic_id"]),
            Text(printable(one["label"]) + ("" if stable[one["topic_id"]] else " (unstable)")),
            f"{one['topic_texts']:,}",
            f"{one['share']:.1%}",
            f"{one['share_low']:.1%} to {one['share_high']:.1%}",
            TRENDS[one["trend"]],
            "" if one["trend_p_value"] is None else f"{one['trend_p_value']:.2g}",
        )
    console.print(table)


@app.command()
def associations(
    of: Of = Collection.articles,
    every: EveryPeriod = Every.month,
    period: PeriodDay = None,
    source: Source = None,
    section: Section = None,
    subject: Subject = None,
    copies: Copies = False,
    rules: Annotated[bool, typer.Option("--rules", help="Show rules between sets of words instead of pairs.")] = False,
    most: Most = 30,
) -> None:
    """Show which words of a period go together beyond chance, the surest first, each with its counts and p-value.

    Example: `maeari associations --every week --period 2026-01-12`, or `maeari associations --rules`
    """
    from web import queries, topic_queries

    view = topic_queries.View(of.value, every.value, source, section, subject, copies)
    with queries.reading() as cursor:
        if not queries.exist(cursor, *topic_queries.KEYWORD_MARTS):
            raise MaeariError("Nothing is published yet: `maeari mine`, then `maeari publish`.")
        shown = _shown(topic_queries.mined_periods(cursor, view), every, period)
        found = (topic_queries.rules if rules else topic_queries.pairs)(cursor, shown.get("mining_id"), most)
    _print_heading(of, every, shown)
    if shown["note"]:
        console.print(shown["note"])
        return
    first = ["if", "then", "confidence"] if rules else ["word", "and", "new"]
    table = Table(*first, "texts", "of", "lift", "p (Holm)")
    for one in found:
        if rules:
            names = [" + ".join(one["antecedent"]), " + ".join(one["consequent"])]
            told, of_texts = f"{one['confidence']:.0%}", f"{one['antecedent_texts']:,} and {one['consequent_texts']:,}"
        else:
            names = [one["term"], one["other_term"]]
            told, of_texts = "new" if one["is_new"] else "", f"{one['term_texts']:,} and {one['other_texts']:,}"
        table.add_row(
            *(Text(printable(name)) for name in names), told, f"{one['texts']:,}", of_texts, f"{one['lift']:.1f}",
            f"{one['holm_p_value']:.2g}",
        )  # fmt: skip
    console.print(table)


def _shown(found: list[dict], every: Every, wanted: str | None) -> dict:
    from web import periods

    if not found:
        raise MaeariError(
            "There is no such part of the texts, or it was never looked at. A source or section that is the only one "
            "is all: leave it out. `maeari score topics` or `maeari mine`, then `maeari publish`, brings it up to date."
        )
    return periods.shown(found, every.value, None if wanted is None else clock.parse_day(wanted))


def _print_heading(of: Collection, every: Every, shown: dict) -> None:
    from web import periods

    name = periods.name(every.value, shown["period_start_on"])
    running = "" if shown["is_complete"] else ", still running"
    console.print(f"[bold]{of.value}, {name}[/]: {shown['texts']:,} texts{running}", highlight=False)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip
