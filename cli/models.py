"""Commands of the models: train, release, approve, score, and what is live."""

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from cli.terminal import given_text, printable, when
from maeari import clock
from maeari.answers import UNSURE_BECAUSE, probability
from maeari.errors import MaeariError
from ml.texts.collection import Collection

app = typer.Typer()
train_app = typer.Typer(no_args_is_help=True, help="Train a model and register it as a challenger.")
release_app = typer.Typer(no_args_is_help=True, help="Show how a challenger compares with the live version.")
score_app = typer.Typer(no_args_is_help=True, help="Score what is new with the version in charge.")
app.add_typer(train_app, name="train")
app.add_typer(release_app, name="release")
app.add_typer(score_app, name="score")
console = Console()

SHOWN_CHARACTERS = 60

# By which figure, with its interval, the versions of a model are listed.
_MAIN_FIGURES = {
    "sentiment": ("share right", "accuracy"),
    "churn": ("ROC-AUC", "roc_auc"),
    "recommend": ("last books found among ten", "recall_at_10"),
    "topics": ("texts told apart", "told_apart"),
    "review_topics": ("texts told apart", "told_apart"),
}

AsOf = Annotated[str | None, typer.Option(help="The day this is done for, YYYY-MM-DD; today without it.")]


class TopicMethod(StrEnum):
    """How topics are found."""

    lda = "lda"
    nmf = "nmf"


class Model(StrEnum):
    """The models there are."""

    sentiment = "sentiment"
    churn = "churn"
    recommend = "recommend"
    topics = "topics"
    review_topics = "review_topics"


Version = Annotated[int | None, typer.Option(help="The challenger; the newest version without it.")]


@train_app.command("sentiment")
def train_sentiment(as_of: AsOf = None) -> None:
    """Learn from the reviews with stars as they were known on a day, and register a challenger.

    Example: `maeari train sentiment --as-of 2025-11-30`
    """
    from ml import sentiment

    console.print(sentiment.train(clock.today(as_of)).summary())


@train_app.command("churn")
def train_churn(
    as_of: AsOf = None,
    contact_budget_share: Annotated[
        float | None, typer.Option(help="Share of the scored customers who can be contacted, such as 0.2.")
    ] = None,
    contact_cost: Annotated[float | None, typer.Option(help="Instead: what contacting a customer costs, and …")] = None,
    saved_value: Annotated[
        float | None, typer.Option(help="… what one is worth who would have left, in the same unit.")
    ] = None,
) -> None:
    """Learn from the month ends whose leavers are known on a day, and register a challenger.

    Whom to contact is decided by a budget or a cost; without either, as the version before was told.

    Example: `maeari train churn --as-of 2026-03-31`, or `maeari train churn --contact-cost 2000 --saved-value 30000`
    """
    from ml.churn.config import DECISIONS, ChurnConfig
    from ml.churn.train import train

    given = zip(DECISIONS, (contact_budget_share, contact_cost, saved_value), strict=True)
    stated = {name: value for name, value in given if value is not None}
    console.print(train(clock.today(as_of), ChurnConfig(**stated) if stated else None).summary())


@train_app.command("recommend")
def train_recommend(
    as_of: AsOf = None,
    source: Annotated[
        str | None, typer.Option(help="Whose books, a source of reviews; the one bought most without it.")
    ] = None,
) -> None:
    """Learn who reads which books as known on a day, and register a challenger; analyses new reviews first.

    Example: `maeari train recommend`, or `maeari train recommend --source my_shop --as-of 2026-03-31`
    """
    from ml.recommend.train import train
    from ml.texts.analyse import analyse

    day = clock.today(as_of)
    with console.status("Analysing the reviews …") as status:
        analyse(Collection.reviews, day)
        status.update("Learning who reads what …")
        trained = train(source, day)
    console.print(trained.summary())


@train_app.command("topics")
def train_topics(
    of: Annotated[Collection, typer.Argument(help="Whose topics.")] = Collection.articles,
    as_of: AsOf = None,
    number: Annotated[
        int | None, typer.Option("--topics", help="How many topics; chosen by coherence and stability without it.")
    ] = None,
    method: Annotated[
        TopicMethod | None, typer.Option(help="How they are found; by what suits these texts better without it.")
    ] = None,
) -> None:
    """Find the topics of the texts as they were known on a day, and register a challenger; analyses what is new first.

    Example: `maeari train topics`, or `maeari train topics reviews --topics 12`
    """
    from ml.texts.analyse import analyse
    from ml.topics.config import TopicsConfig
    from ml.topics.train import train

    day = clock.today(as_of)
    with console.status(f"Analysing the {of.value} …") as status:
        analyse(of, day)
        config = TopicsConfig(topics=number, method=method and method.value)
        trained = train(of, day, config, lambda step: status.update(f"Fitting {step} …"))
    console.print(trained.summary())


@release_app.command("sentiment")
def release_sentiment(as_of: AsOf = None, version: Version = None) -> None:
    """Print how a challenger compares with the live version; asking and releasing is left to Airflow and a person.

    Example: `maeari release sentiment`
    """
    _print_comparison(Model.sentiment, version, as_of)


@release_app.command("churn")
def release_churn(as_of: AsOf = None, version: Version = None) -> None:
    """Print how a challenger compares with the live version; asking and releasing is left to Airflow and a person.

    Example: `maeari release churn`
    """
    _print_comparison(Model.churn, version, as_of)


@release_app.command("recommend")
def release_recommend(as_of: AsOf = None, version: Version = None) -> None:
    """Print how a challenger compares with the live version; asking and releasing is left to Airflow and a person.

    Example: `maeari release recommend`
    """
    _print_comparison(Model.recommend, version, as_of)


@release_app.command("topics")
def release_topics(
    of: Annotated[Collection, typer.Argument(help="Whose topics.")] = Collection.articles,
    as_of: AsOf = None,
    version: Version = None,
) -> None:
    """Print the topics of a challenger beside those of the live version; asking is left to Airflow and a person.

    Example: `maeari release topics`
    """
    _print_comparison(Model(of.model), version, as_of)


def _print_comparison(model: Model, version: int | None, as_of: str | None) -> None:
    from ml import release

    evidence = release.compare_only(model, version, clock.today(as_of))
    if evidence["may_ask"]:
        conf = json.dumps({"model": model, "version": evidence["version"]})
        console.print(Markdown(release.approval_body(evidence)))
        console.print(f"To ask for it: trigger release_model in Airflow with {conf}.")
    else:
        console.print(f"Version {evidence['version']} may not be released:", *evidence["reasons"], sep="\n  ")


@app.command()
def approve(
    user: Annotated[str, typer.Option(help="Your log-in to Airflow.", prompt=True)],
    password: Annotated[
        str, typer.Option(envvar="MAEARI_AIRFLOW_PASSWORD", prompt=True, hide_input=True, help="Its password.")
    ],
    model: Annotated[Model, typer.Option(help="Whose waiting release is answered.")] = Model.sentiment,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse instead; give a reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    name: Annotated[
        list[str] | None, typer.Option(help="Of topics: a new name for one, as “7: a name”; again for more.")
    ] = None,
) -> None:
    """Answer the release that waits for you, by your own log-in to Airflow.

    Example: `maeari approve --user approver`, or
    `maeari approve --user approver --model churn --refuse --reason "too few new customers"`, or
    `maeari approve --user approver --model topics --name "9: 부두 창고 화재"`
    """
    from maeari.airflow_client import AirflowClient
    from ml import release

    if refuse and not reason.strip():
        raise MaeariError("A refusal needs its reason: add --reason “…”.")
    request = release.waiting(model)
    if request is None:
        raise MaeariError(f"No release of {model} waits for an answer. `maeari models` shows what is live.")
    question = release.question_of(request)
    choice = release.REFUSE if refuse else release.APPROVE
    client = AirflowClient(user, password)
    is_of_topics = "topics" in request["evidence"]
    if name and not is_of_topics:
        raise MaeariError(f"--name is for topics; {model} has none.")
    answer = {"reason": reason, **({"names": "\n".join(name or [])} if is_of_topics else {})}
    client.answer(release.DAG_ID, request["dag_run_id"], question, [choice], answer)
    done = "refused" if refuse else "approved"
    console.print(f"{model} version {request['version']} {done} by {user}; release_model now does the rest.")


@app.command()
def rollback(
    model: Annotated[Model, typer.Argument(help="Which model goes back.")],
    user: Annotated[str, typer.Option(help="Your log-in to Airflow.", prompt=True)],
    password: Annotated[
        str, typer.Option(envvar="MAEARI_AIRFLOW_PASSWORD", prompt=True, hide_input=True, help="Its password.")
    ],
    reason: Annotated[str, typer.Option(help="Why; kept with the deployment.", prompt=True)],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask once more.")] = False,
) -> None:
    """Make the version live again that was live before, by your own log-in to Airflow; only the approver may.

    Example: `maeari rollback sentiment --user approver --reason "wrong on short reviews"`
    """
    from maeari.airflow_client import AirflowClient
    from ml.rollback import roll_back, way_back

    way = way_back(model)
    replay = " as a replay" if way.to_is_replay else ""
    console.print(
        f"Live: {model} version {way.live_version}, since {when(way.live_from)}, by {way.live_approved_by}.\n"
        f"Before it: version {way.to_version}, live from {when(way.to_live_from)} to {when(way.to_live_to)}, "
        f"approved by {way.to_approved_by}{replay}.\n"
        f"Version {way.to_version} will count from {way.effective_from.astimezone(clock.zone()):%Y-%m-%d}.",
        highlight=False,
    )
    if not is_sure:
        typer.confirm(f"Make version {way.to_version} live again?", abort=True)
    done = roll_back(way, AirflowClient(user, password), reason)
    console.print(
        f"{model} version {done['version']} is live again; {done['by']} rolled version {way.live_version} back."
    )
    if done["handed_on"]:
        console.print(f"Handed on: {done['dag']} now scores what is new.")
    else:
        console.print(Text(printable(f"Not handed on: {done['problem']}")))
        console.print(f"Trigger {done['dag']} in Airflow, so that version {done['version']} scores what is new.")


@score_app.command("sentiment")
def score_sentiment(
    as_of: AsOf = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Score this text instead, and write nothing; give it again for more, - reads standard input."
        ),
    ] = None,
    version: Annotated[int | None, typer.Option(help="With --text: by this version; the live one without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --text: print one line of JSON a text.")] = False,
) -> None:
    """Score the reviews known on a day that are not scored yet, safe to repeat; or the texts that are given.

    Example: `maeari score sentiment`, or `maeari score sentiment --text "커피가 정말 맛있어요"`
    """
    from ml import sentiment

    if text:
        if as_of is not None:
            raise MaeariError("--as-of chooses reviews of the warehouse; leave it out with --text.")
        _score_texts([given_text(one) for one in text], version, as_json)
    elif version is not None or as_json:
        raise MaeariError("--version and --json go with --text; reviews are scored by the version in charge of each.")
    else:
        console.print(sentiment.score(clock.today(as_of)))


def _score_texts(texts: list[str], version: int | None, as_json: bool) -> None:
    from maeari.text import joined
    from ml import registry
    from ml.sentiment.config import SentimentConfig
    from ml.sentiment.predict import answer, load

    version = registry.live_version("sentiment") if version is None else version
    if version is None:
        raise MaeariError(
            "No version of sentiment is live. `maeari models` lists the versions: name one with --version, or train "
            "one with `maeari train sentiment` and let release_model ask for its approval."
        )
    config = SentimentConfig(**registry.registered("sentiment", version).card["config"])
    answers = answer(load(version), config, [joined(None, text) for text in texts])
    close = f"{UNSURE_BECAUSE['close']}: wrong with a chance above {100 * config.cost_of_unsure:g} %"
    reasons = {**UNSURE_BECAUSE, "close": close, None: ""}
    table = Table("text", "label", "positive", "stars", "unsure because", title=f"sentiment version {version}")
    for text, chance, label, stars, because in zip(
        texts,
        answers.probabilities.tolist(),
        answers.labels,
        answers.stars.tolist(),
        answers.unsure_because,
        strict=True,
    ):
        if as_json:
            told = {"model_version": version, "positive_probability": chance, "label": label}
            print(json.dumps({**told, "estimated_stars": stars, "unsure_because": because}))
        else:
            shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
            table.add_row(Text(printable(shown)), label, probability(chance, 1), f"{stars:.1f}", reasons[because])
    if not as_json:
        console.print(table)


@score_app.command("topics")
def score_topics(
    of: Annotated[Collection, typer.Argument(help="Whose topics.")] = Collection.articles, as_of: AsOf = None
) -> None:
    """Tell the topics of texts that the version in charge has not told yet; analyses what is new first. Safe to repeat.

    Example: `maeari score topics`, then `maeari publish`
    """
    from ml.texts.analyse import analyse
    from ml.topics.predict import score

    day = clock.today(as_of)
    with console.status(f"Analysing and scoring the {of.value} …"):
        analyse(of, day)
        scored = score(of, day)
    if scored["version"] is None:
        raise MaeariError(
            f"No version of {of.model} is in effect by {day}. `maeari train topics` makes one; a person releases it."
        )
    console.print(scored)


@score_app.command("recommend")
def score_recommend(as_of: AsOf = None) -> None:
    """Store the live version's vectors of books, and of those that came since its training. Safe to repeat.

    Example: `maeari score recommend`
    """
    from ml.recommend.vectors import store_live

    with console.status("Storing the vectors of books …"):
        stored = store_live(clock.today(as_of))
    if stored["version"] is None:
        raise MaeariError("No version of recommend is live. `maeari train recommend` makes one; a person releases it.")
    console.print(stored)


@score_app.command("churn")
def score_churn(as_of: AsOf = None) -> None:
    """Score the customers of each month end, and of the last complete day, who are not scored yet. Safe to repeat.

    Example: `maeari score churn`
    """
    from ml.churn.score import score, score_current

    day = clock.today(as_of)
    console.print(score(day))
    console.print(score_current(day))


@app.command()
def models(model: Annotated[Model, typer.Option(help="Whose versions.")] = Model.sentiment) -> None:
    """List the versions: what each learned from, how well it does, which is live, which waits for approval.

    Example: `maeari models`, or `maeari models --model churn`
    """
    from ml import registry, release
    from ml.rollback import rollbacks

    live, waiting = registry.live_version(model), release.waiting(model)
    title, figure = _MAIN_FIGURES[model]
    table = Table("version", "as of", "training rows", title, "trained at", "state")
    for row in registry.versions(model):
        state = "live" if row.version == live else ""
        if waiting and waiting["version"] == row.version:
            state = f"waits for approval until {waiting['expires_at']:%Y-%m-%d}"
        table.add_row(
            str(row.version),
            row.card["data"]["as_of"],
            f"{row.metrics['training_rows']:,}",
            "{:.3f} ({:.3f} to {:.3f})".format(*(row.metrics[f"{figure}{limit}"] for limit in ("", "_low", "_high"))),
            f"{row.trained_at:%Y-%m-%d %H:%M}",
            state,
        )
    console.print(table)
    for one in rollbacks(model):
        told = f"{one['by']} on {when(one['at'])}: {one['reason']}"
        console.print(Text(printable(f"Version {one['rollback_of']} was rolled back to {one['version']} by {told}")))
    for difference in registry.differences(model):
        console.print(f"[yellow]{difference}[/] `maeari doctor` says what to do.")
