"""README and docs name only what exists: make targets, commands and their options, settings, DAGs, files."""

import re
from pathlib import Path

import pytest
import typer.main

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([CHECKOUT / "README.md", *CHECKOUT.glob("docs/*.md")])
RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text()


def code(page: Path) -> list[str]:
    """Each line of code on a page, from blocks and from spans."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.+?)^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.+?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", prose)


def commands(page: Path) -> list[list[str]]:
    """The words after each `maeari` on a page."""
    found = []
    for line in code(page):
        for part in re.split(r"&&|;|\|", line.partition(" #")[0]):
            match = re.match(r"\s*(?:\w+=\S+ )*(?:docker compose exec \S+ )?(?:\.venv/bin/)?maeari (.+)", part)
            if match and (words := match[1].split()) and words[0].isascii():
                found.append(words)
    return found


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_there_are_pages():
    assert [page.name for page in PAGES] == [
        "README.md",
        "architecture.md",
        "bot.md",
        "churn.md",
        "crawling.md",
        "develop.md",
        "importing.md",
        "monitoring.md",
        "recommend.md",
        "runbook.md",
        "sentiment.md",
        "sql.md",
        "topics.md",
    ]
    assert any(commands(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for line in code(page):
        for named in re.findall(r"\bmake((?: [a-z-]+)+)", line.partition(" #")[0]):
            assert set(named.split()) <= targets, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    from cli.main import app

    for words in commands(page):
        command = typer.main.get_command(app)
        for word in words:
            if word.startswith("-") or not hasattr(command, "commands"):
                break
            assert word in command.commands, f"maeari {' '.join(words)}"
            command = command.commands[word]
        if command.ignore_unknown_options:
            continue
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= known | {"--help"}, f"maeari {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{target} (docs/screenshots are made by MAEARI_SCREENSHOTS=1 make test-browser)"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert fragment in map(anchor, headings), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_exist(page):
    from maeari.settings import ROLES, Settings

    known = {f"MAEARI_{field.upper()}" for field in Settings.model_fields} | {"MAEARI_AS_OF"}
    known |= {f"MAEARI_{role.upper()}_PASSWORD" for role in ROLES} | {"MAEARI_AUTHOR_KEY", "MAEARI_SKILL_SECRET"}
    for file in (CHECKOUT / "tests").rglob("test_*.py"):
        known |= set(re.findall(r"environ\.get\(\"(MAEARI_\w+)\"", file.read_text()))
    assert set(re.findall(r"\bMAEARI_[A-Z_]+\b", page.read_text())) <= known


def test_the_runbook_has_a_section_for_every_dag():
    sections = RUNBOOK.split("## By DAG")[1].split("\n## ")[0]
    named = [name for heading in re.findall(r"^### (.+)$", sections, re.MULTILINE) for name in heading.split(", ")]
    assert named
    assert sorted(named) == sorted(file.stem for file in CHECKOUT.glob("dags/*.py"))


def test_the_architecture_names_every_room_schema_role_and_asset():
    from maeari import assets
    from maeari.settings import ROLES

    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    rooms = {file.parent.name for file in CHECKOUT.glob("*/__init__.py")} | {"dags", "dbt"}
    assert not [room for room in rooms if f"`{room}/`" not in page]
    assert not [role for role in ROLES if f"`maeari_{role}`" not in page]
    names = [value for name, value in vars(assets).items() if name.isupper()]
    assert names
    assert not [name for name in names if f"|{name}|" not in page]


def test_every_source_in_the_pages_is_one_that_can_be_read(tmp_path):
    from crawlers.sources import read_source

    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if re.search(r"^kind:", block, re.MULTILINE)
    ]
    assert blocks
    for block in blocks:
        name = re.search(r"^name: (\w+)", block, re.MULTILINE).group(1)
        file = tmp_path / f"{name}.yml"
        file.write_text(block, encoding="utf-8")
        assert read_source(file).name == name
