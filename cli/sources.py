"""Commands of sources: which there are, what one gives, and how a new one is made."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal import printable
from maeari import clock

app = typer.Typer()
source_app = typer.Typer(no_args_is_help=True, help="Sources: list them, look at one, make a new one.")
app.add_typer(source_app, name="source")
console = Console()

WIDE = 110
STATE_STYLES = {"ready": "green", "unverified": "yellow", "wrong file": "bold red"}
OUTCOME_STYLES = {"finished": "green", "failed": "bold red", "abandoned": "yellow", "running": "cyan"}


@source_app.command("list")
def list_sources(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Show every source: whether it can be crawled, what its last crawl brought, and when the next one is due.

    Works without Postgres; nothing is known of crawls then. A broken file spoils its own line only.

    Example: `maeari source list`, or `maeari source list --json`
    """
    from crawlers.overview import overview

    sources, problem = overview()
    if as_json:
        typer.echo(json.dumps([asdict(source) for source in sources], default=str, ensure_ascii=False, indent=2))
        return
    is_wide = console.width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Source", overflow="fold")
    if is_wide:
        table.add_column("Kind")
    table.add_column("State")
    table.add_column("Last crawl", max_width=None if is_wide else 10)
    table.add_column("Rows", justify="right", no_wrap=True)
    table.add_column("Robots", no_wrap=True)
    table.add_column("Next due", no_wrap=True)
    for source in sources:
        table.add_row(
            _plain(source.name),
            *([_plain(source.kind or "")] if is_wide else []),
            _plain(source.state, STATE_STYLES.get(source.state, "yellow")),
            _last_crawl(source),
            "" if source.rows is None else f"{source.rows:,}",
            _plain((source.robots_verdict or "").partition(":")[0]),
            f"{source.next_due_at:%m-%d %H:%M}" if source.next_due_at else "",
        )
    console.print(table)
    for source in sources:
        if source.problem:
            _say(f"{source.name}: {source.problem}", "red")
        if source.robots_verdict and not source.robots_verdict.startswith("allowed"):
            _say(f"{source.name}: robots.txt: {source.robots_verdict}", "yellow")
    if any("unverified" in source.state for source in sources):
        _say(
            "Unverified: nobody has written down yet that its terms were read (terms_checked_by, terms_checked_on). "
            "`maeari source check NAME` looks at a page or two all the same."
        )
    if problem:
        _say(f"Nothing is known of crawls: {problem}", "yellow")


def _last_crawl(source) -> Text:
    if source.last_crawl_at is None:
        return Text("")
    day = f"{source.last_crawl_at.astimezone(clock.zone()):%Y-%m-%d}"
    return Text.assemble(day, " ", (source.last_outcome, OUTCOME_STYLES.get(source.last_outcome, "")))


@source_app.command("check")
def check_source(
    name: Annotated[str, typer.Argument(help="Name of a source, or the path of its YAML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Fetch a page or two of a source and show, field by field, what was read and what is missing. Nothing lands.

    Exit code 1 when no record could be read, or none has a field that every record needs.

    Example: `maeari source check demo_books`, or `maeari source check drafts/shop.yml`
    """
    from crawlers.check import check

    with console.status(_plain(f"Looking at {name}")):
        checked = check(name)
    if as_json:
        typer.echo(json.dumps(checked.as_json(), ensure_ascii=False, indent=2))
    else:
        _show_check(checked)
    if checked.problem:
        raise typer.Exit(1)


def _show_check(checked) -> None:
    records = f"{checked.records:,} record{'' if checked.records == 1 else 's'}"
    _say(f"{checked.source} ({checked.kind}): {records} read, nothing landed.", "bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Field", no_wrap=True)
    table.add_column("Filled", no_wrap=True)
    table.add_column("Example, or where to look")
    for one in checked.fields:
        filled = f"{one.filled} of {one.records}"
        if one.filled:
            style = "" if one.filled == one.records or not one.is_required else "yellow"
            table.add_row(one.name, Text(filled, style), _plain(one.example or ""))
        else:
            style = "bold red" if one.is_required else "yellow"
            table.add_row(Text(one.name, style), Text(filled, style), _plain(f"missing; see {one.comes_from}", style))
    console.print(table)
    console.print()
    for page in checked.pages:
        ending = f": {page['error']}" if page.get("error") else ""
        _say(f"{page['status'] or 'not fetched'}  {page['url']}{ending}")
    _say(f"robots.txt: {checked.robots_verdict}")
    if checked.redacted:
        _say(f"Personal data replaced: {checked.redacted:,} times")
    for reason, count in checked.refused.items():
        _say(f"{count:,} refused: {reason}", "yellow")
    for fault, count in checked.faults.items():
        _say(f"{count:,} page{'' if count == 1 else 's'} with a fault: {fault}", "yellow")
    if checked.problem:
        _say(checked.problem, "bold red")


@source_app.command("new")
def new_source(
    address: Annotated[str | None, typer.Argument(help="A page with reviews, a list of such pages, a feed.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the source, such as book_shop.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose site it is.")] = None,
    licence: Annotated[str | None, typer.Option(help="Under which terms its content may be kept.")] = None,
    terms_url: Annotated[str | None, typer.Option(help="Where the site's terms stand.")] = None,
    terms_checked_by: Annotated[
        str | None, typer.Option(help="Who has read the terms and found that the site may be crawled.")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="The site is on your own private network.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take the proposal and what the options say.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the source of this name.")] = False,
) -> None:
    """Look at an address, propose a source from what is found there, write its file and check it.

    Example: `maeari source new https://shop.example/reviews`
    """
    from crawlers.check import check
    from crawlers.propose import look_at, proposed_name, require_name, require_valid
    from maeari.settings import Settings

    is_free = name is not None
    if is_free:
        require_name(name)
        _require_free(name, overwrite, may_ask=not yes)
    address = (address or typer.prompt("Address of a page with reviews, or of a feed")).strip()
    address = address if "://" in address else f"https://{address}"
    with console.status(_plain(f"Looking at {address}")):
        proposal = look_at(address, local)
    _show_proposal(proposal)
    if not yes:
        if not typer.confirm("Make a source of this?", default=True):
            raise typer.Exit(1)
        suggested = proposed_name(address)
        name = name or typer.prompt("Name of the source", default=suggested)
        host = urlsplit(address).hostname
        owner = owner or typer.prompt("Whose site is it?", default=host)
        licence = licence or typer.prompt("Licence or terms, in a few words", default="Not known yet")
        if terms_url is None:
            terms_url = typer.prompt("Address of its terms (empty for none)", default="", show_default=False) or None
        if terms_checked_by is None and typer.confirm(
            "Has somebody of your team read these terms, and may the site be crawled?", default=False
        ):
            terms_checked_by = typer.prompt("Who? (a name)")
    name = name or proposed_name(address)
    facts = {
        "name": name,
        "owner": owner or urlsplit(address).hostname,
        "licence": licence or "Not known yet",
        "terms_url": terms_url,
        "terms_checked_by": terms_checked_by,
        # People read on the wall clock's day, whatever day the demo shows.
        "terms_checked_on": datetime.now(clock.zone()).date() if terms_checked_by else None,
        **proposal["facts"],
    }
    require_valid(facts)
    file = Settings().path("sources", f"{name}.yml")
    if not is_free:
        _require_free(name, overwrite, may_ask=not yes)
    write_source(file, facts, proposal["reasons"])
    _say(f"Written: {file}", "green")
    console.print()
    with console.status(_plain(f"Looking at {name}")):
        checked = check(name)
    _show_check(checked)
    if checked.problem:
        _say(f"Correct {file}, then run: maeari source check {name}")
        raise typer.Exit(1)
    console.print()
    if terms_checked_by:
        _say(f"Next: maeari crawl {name} --limit 100", "bold")
    else:
        _say(
            f"{name} is unverified: read the terms, then write into {file} who read them and when "
            f"(terms_checked_by, terms_checked_on). Then: maeari crawl {name} --limit 100",
            "bold",
        )


def _require_free(name: str, overwrite: bool, may_ask: bool) -> None:
    """Raise SourceError when there is a source of this name, unless it may be replaced."""
    from crawlers.errors import SourceError
    from crawlers.sources import source_files

    taken = source_files().get(name)
    if taken is None or overwrite:
        return
    question = f"There is a source {name} ({taken}). Put the new one in its place?"
    if not may_ask or not typer.confirm(question, default=False):
        raise SourceError(f"There is a source “{name}” already ({taken}). Give another --name, or --overwrite.")


def _show_proposal(proposal: dict) -> None:
    for reason in proposal["reasons"]:
        _say(reason)
    console.print()
    console.print(Text("  " + printable(_yaml(proposal["facts"]).rstrip()).replace("\n", "\n  "), "cyan"))
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title="The first records", title_justify="left")
    for heading in ("Id", "Rating", "Date", "Text"):
        table.add_column(heading, overflow="fold", max_width=24 if heading == "Id" else None)
    for example in proposal["examples"]:
        table.add_row(*(_plain(example[key] or "") for key in ("id", "rating", "when", "text")))
    console.print(table)
    console.print()


def write_source(file: Path, facts: dict, reasons: list[str]) -> None:
    """Write a source's file in the order in which people read it."""
    order = ("name", "kind", "start_urls", "owner", "licence", "terms_url", "terms_checked_by", "terms_checked_on")
    ordered = {key: facts[key] for key in order if key in facts} | facts
    # On one line: a site's own text must not end the comment.
    lines = [f"# {' '.join(printable(reason).split())}" for reason in reasons]
    for key, value in ordered.items():
        if key == "terms_checked_by" and value is None:
            lines.append("# Until somebody has read the terms, and says here who and when, nothing is crawled.")
        if key == "local":
            lines.append("# The site is on this machine or on a private network, whose addresses may be fetched.")
        if key == "delay_seconds":
            lines.append("# Nobody else is kept waiting on this machine.")
        lines.append(_yaml({key: value}).rstrip() if value is not None else f"{key}:")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _yaml(facts: dict) -> str:
    import yaml

    return yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, width=110)


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _say(text: str, style: str = "") -> None:
    console.print(_plain(text, style))
