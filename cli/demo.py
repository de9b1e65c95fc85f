"""The demo: a generated world, or a file of real reviews, sent the whole way through Airflow."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import embedded_postgres
from maeari import clock
from maeari.errors import StackError
from maeari.postgres import connect
from maeari.settings import Settings, load_secrets

app = typer.Typer()
demo_app = typer.Typer(help="Show the whole way on a demo world: crawl, import, build, train, approve, score, monitor.")
app.add_typer(demo_app, name="demo")
console = Console()

FIRST_TRAINING_AS_OF = date(2025, 11, 30)
# Three month ends of the world lie between this day and the newest whose leavers its first day knows.
FIRST_CHURN_TRAINING_AS_OF = date(2025, 12, 31)
# The news event of the world, in January, lies before it; what is written later is folded in.
FIRST_TOPICS_TRAINING_AS_OF = date(2026, 2, 28)
# Most of the shop's purchases lie before it, and two months of newer ones after.
FIRST_RECOMMEND_TRAINING_AS_OF = date(2026, 3, 31)
STEP_TIMEOUT = timedelta(minutes=15)
BUILT = "hand_on_marts"
"""The task of a build after which its marts are there; what it writes then is for readers."""


class Window(StrEnum):
    """How long one monitored window is."""

    week = "week"
    month = "month"
    quarter = "quarter"


class Kind(StrEnum):
    """What goes wrong in the world."""

    words = "words"
    irony = "irony"
    rating_habit = "rating_habit"
    crawl_gap = "crawl_gap"


class Size(StrEnum):
    """Points of accuracy."""

    none = "0"
    small = "3"
    medium = "5"
    large = "10"


@demo_app.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    replay: Annotated[
        Path | None, typer.Option(help="Directory of a review file to serve instead of the generated world.")
    ] = None,
    reviews: Annotated[int, typer.Option(help="With --replay: how many reviews to draw.")] = 20_000,
    window: Annotated[Window | None, typer.Option(help="Length of a monitored window.")] = None,
) -> None:
    """Run the main job through Airflow and leave the stack up. Safe to repeat.

    Example: `maeari demo`, or `MAEARI_HOME=.maeari-replay maeari demo --replay ../shared/data/naver_movie_reviews`
    """
    if context.invoked_subcommand is not None:
        return
    from demo.state import ReplayConfig, SiteState, write_state
    from demo.world import WorldConfig

    file = _state_file()
    if replay is not None:
        from demo.replay import last_day

        chosen = ReplayConfig(directory=replay.absolute(), reviews=reviews)
        _write_world(SiteState(replay=chosen, today=last_day(chosen.directory)))
        window = window or Window.quarter
    elif not file.exists():
        write_state(file, SiteState(world=WorldConfig()))
    if window is not None:
        from monitoring.policy import write_window

        write_window("sentiment", window.value)
    _run_the_way()


@demo_app.command()
def world(
    seed: Annotated[int | None, typer.Option(help="Seed of the world; the same seed gives the same world.")] = None,
    week: Annotated[int, typer.Option(min=1, help="Week (from 0) in which the reviews begin to change.")] = 66,
    size: Annotated[Size, typer.Option(help="Points of accuracy that an older model loses.")] = Size.large,
    kind: Annotated[Kind, typer.Option(help="What changes.")] = Kind.words,
    truth: Annotated[Path | None, typer.Option(help="Also write the true sentiments to this CSV file.")] = None,
) -> None:
    """Choose the world of this `MAEARI_HOME` before its first crawl.

    Example: `maeari demo world --seed 7 --kind irony --size 5`
    """
    from demo.state import SiteState
    from demo.world import World, WorldConfig, write_truth

    config = WorldConfig(
        decline_week=week,
        decline_size=int(size),
        decline_kind=kind.value,
        **({} if seed is None else {"seed": seed}),
    )
    _write_world(SiteState(world=config))
    console.print(f"World with seed {config.seed}: {kind.value} of {size} points from week {week}. Next: `make demo`")
    if truth is not None:
        console.print(f"{write_truth(World(config), truth):,} true sentiments written to {truth}")


@demo_app.command()
def advance(weeks: Annotated[int, typer.Option(min=1, help="How many weeks to move the clock on.")] = 4) -> None:
    """Move the world's clock on and crawl, import, score and monitor what is new.

    Example: `maeari demo advance --weeks 4`
    """
    from demo import state

    moved = state.advance(_state_file(), weeks)
    console.print(f"The world's clock stands at {moved.today}.")
    _run_the_way()


def _state_file() -> Path:
    return Settings().path("demo", "world.json")


def _world():
    """The world that this home shows, None where it replays a review file."""
    from demo.state import read_state
    from demo.world import World

    config = read_state(_state_file()).world
    return config and World(config)


def _write_world(wanted) -> None:
    """Write the wanted state, unless this home already holds another world whose rows it would mix with."""
    from demo.state import read_state, write_state

    file = _state_file()
    if not file.exists():
        write_state(file, wanted)
        return
    present = read_state(file)
    if (present.world, present.replay) != (wanted.world, wanted.replay):
        raise StackError(
            f"{Settings().home} already holds another world ({present.world or present.replay!r}). "
            "Worlds never share a home: set MAEARI_HOME to a new directory, or `make clean` this one."
        )


def _run_the_way() -> None:
    from cli import stack
    from maeari.airflow_client import AirflowClient

    # With an address given, Airflow runs elsewhere, such as in containers.
    if Settings().airflow_url is None:
        stack.up()
    today = clock.today()
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        airflow = _Follower(AirflowClient("robot"), progress)
        started = built = _crawl_and_build(airflow, today)
        if _live_version("sentiment") is None:
            training = _train_first(airflow, "sentiment", _first_training_day(today))
            started = _release_first(airflow, "sentiment", training)
        # Side by side, since a build leaves a core idle most of the time.
        topics, customers, books = (_Follower(AirflowClient("robot"), progress) for _ in range(3))
        with ThreadPoolExecutor(3) as pool:
            delivered = pool.submit(_deliver_events, today)
            told = pool.submit(_tell_topics, topics, built)
            if started:
                scored = airflow.follow_started_by("Score the reviews", "score_reviews", started, until="score")
            # The customers' reviews are scored before their events come in: so one build gives the features both.
            conf = {"as_of": today.isoformat()}
            imported = airflow.client.trigger("import_events", conf) if delivered.result() else None
            served = pool.submit(_serve_customers, customers, books, imported)
            if started:
                airflow.follow("Explain the newest", scored)
                monitored = airflow.follow_started_by("Monitor the model", "monitor_models", scored)
                if airflow.task(monitored, "retrain_sentiment")["state"] == "success":
                    trained = airflow.follow_started_by(
                        "Train a challenger on newer reviews", "train_sentiment", monitored
                    )
                    airflow.wait_for_question("Compare with the live version, and ask", trained, "sentiment")
            told.result()
            served.result()
    _print_summary(today)


def _crawl_and_build(airflow: "_Follower", today: date) -> dict | None:
    """Crawl both kinds and follow the builds that what has landed started; the last of them, None without news."""
    from maeari.warehouse import holds_all_crawled

    started_at = datetime.now(UTC)
    conf = {"as_of": today.isoformat()}
    crawls = [airflow.client.trigger(dag_id, conf) for dag_id in ("crawl_news", "crawl_reviews")]
    crawled = [
        airflow.follow(
            f"Crawl the {crawl['dag_id'].removeprefix('crawl_')}",
            crawl,
            detail=partial(_crawled_since, kind, started_at),
        )
        for crawl, kind in zip(crawls, ("articles", "reviews"), strict=True)
    ]
    build = None
    for crawl in sorted(crawled, key=lambda run: run["end_date"]):
        # Crawls that begin together are built once.
        if airflow.task(crawl, "hand_on")["state"] == "success" and not (build and holds_all_crawled()):
            title = f"Build the warehouse after {crawl['dag_id']}"
            run = airflow.follow_started_by(title, "build_warehouse", crawl, until=BUILT)
            if airflow.task(run, BUILT)["state"] == "success":
                build = run
    # A scheduled crawl, or a demo that was stopped in the middle, may have started another.
    while not (build and holds_all_crawled()) and (unfinished := _follow_unfinished_build(airflow)):
        build = unfinished
    return build


def _follow_unfinished_build(airflow: "_Follower") -> dict | None:
    return airflow.follow_unfinished("Build the warehouse", "build_warehouse", until=BUILT)


def _deliver_events(today: date) -> bool:
    """Put the shop's files of the days since the last ones into the inbox; whether any wait there."""
    from demo.shop import deliver
    from imports.inbox import waiting

    world = _world()
    if world is not None:
        deliver(world, Settings().path("inbox"), today)
    return bool(waiting())


def _serve_customers(airflow: "_Follower", beside: "_Follower", imported: dict | None) -> None:
    """Follow an import to the list of whom to contact, and beside it to the books that readers are offered."""
    if _world() is None:
        console.print("  The reviews of a file come without events: nobody is asked here who will leave.")
        return
    started = _build_customers(airflow, imported)
    with ThreadPoolExecutor(1) as pool:
        offered = pool.submit(_offer_books, beside)
        _score_customers(airflow, started)
        offered.result()


def _build_customers(airflow: "_Follower", imported: dict | None) -> dict | None:
    """Follow an import to the build of what it brought; None without one."""
    started = None
    if imported is not None:
        airflow.follow("Import the shop's events", imported)
        if airflow.task(imported, "hand_on")["state"] == "success":
            started = airflow.follow_started_by("Build the features of churn", "build_warehouse", imported, until=BUILT)
    # A scheduled import may have been quicker.
    while unfinished := _follow_unfinished_build(airflow):
        started = unfinished
    return started


def _score_customers(airflow: "_Follower", started: dict | None) -> None:
    """Follow a build to the list of whom to contact; the first model of who leaves is trained on the way."""
    if _live_version("churn") is None:
        training = _train_first(airflow, "churn", FIRST_CHURN_TRAINING_AS_OF)
        started = _release_first(airflow, "churn", training)
    if started:
        scored = airflow.follow_started_by("Score the customers", "score_customers", started)
        if airflow.task(scored, "score")["state"] == "success":
            airflow.follow_started_by("Publish whom to contact", "publish_marts", scored)


def _tell_topics(airflow: "_Follower", built: dict | None) -> None:
    """Follow what is new in the news to its topics and its network of words; the first topics are found on the way."""
    if _world() is None:
        return
    if _live_version("topics") is None:
        training = _train_first(airflow, "topics", FIRST_TOPICS_TRAINING_AS_OF)
        built = _release_first(airflow, "topics", training)
    if built is None:
        return
    told = airflow.follow_started_by("Tell what the news is about", "score_articles", built)
    airflow.follow_unfinished("Mine which words go together", "mine_associations")
    airflow.follow_started_by("Publish the topics", "publish_marts", told)


def _offer_books(airflow: "_Follower") -> None:
    """Store what the recommender knows of the books; the first one is trained on the way, unless it is no good."""
    if _live_version("recommend") is not None:
        airflow.follow_unfinished("Store the vectors of books", "store_books")
        return
    # The words of titles are enough here: to analyse every review takes minutes.
    training = _train_first(airflow, "recommend", FIRST_RECOMMEND_TRAINING_AS_OF, analyse=False)
    released = _approve_first(airflow, "recommend", training)
    if released is not None:
        airflow.follow_started_by("Store the vectors of books", "store_books", released)


def _train_first(airflow: "_Follower", model: str, as_of: date, **conf) -> dict:
    conf = {"as_of": as_of.isoformat(), "is_replay": True, **conf}
    training = airflow.client.trigger(f"train_{model}", conf)
    return airflow.follow(f"Train the first {model} model as of {as_of}", training)


def _release_first(airflow: "_Follower", model: str, training: dict) -> dict:
    released = _approve_first(airflow, model, training)
    if released is None:
        raise StackError(
            f"The first {model} model may not be released, so nobody was asked: {_why_refused(model)} "
            f"All of its evidence is at {_airflow_address()}/maeari/."
        )
    return released


def _approve_first(airflow: "_Follower", model: str, training: dict) -> dict | None:
    """Approve the release of what was trained and follow it; None where it is not good enough to be asked for."""
    from maeari.airflow_client import AirflowClient

    question = airflow.wait_for_question("Compare with the baseline, and ask", training, model)
    if question is None:
        return None
    AirflowClient("demo-approver").answer(
        question["dag_id"], question["dag_run_id"], question["task_id"], ["Approve"], {}
    )
    console.print(
        f"  The demo itself approved this first {model} release as the user [bold]demo-approver[/]: "
        "a replay, marked as such on the pages. Later releases wait for a person."
    )
    return airflow.follow("Promote the model", question)


def _why_refused(model: str) -> str | None:
    """Why the newest comparison of a model allowed no release; None where it did, or where there is none."""
    row = _row(
        "select evidence -> 'reasons', may_ask from ops.release_requests where model = %s"
        " order by request_id desc limit 1",
        model,
    )
    return None if row is None or row[1] else " ".join(row[0])


def _first_training_day(today: date) -> date:
    """The world's first training day; for a replay the end of the month before which 40 % of the labels lie."""
    if _world() is not None:
        return FIRST_TRAINING_AS_OF
    (middle,) = _row(
        "select percentile_disc(0.4) within group (order by written_at) at time zone %s from marts.fct_reviews "
        "where sentiment_label is not null",
        clock.zone().key,
    )
    quarter_start = date(middle.year, 3 * ((middle.month - 1) // 3) + 1, 1)
    return quarter_start - timedelta(days=1)


class _Follower:
    """Waits for Airflow's runs, each known by its `dag_id` and `dag_run_id`, and shows each as a line of progress."""

    def __init__(self, client, progress: Progress):
        self.client = client
        self.progress = progress

    def follow(self, title: str, run: dict, detail: Callable[[], str] | None = None, until: str | None = None) -> dict:
        """Wait until a run, or a task of it, has succeeded; raises StackError with the end of the failed task's log."""
        line = self.progress.add_task(title, total=1, detail="")
        for _ in _seconds(f"{run['dag_id']} run {run['dag_run_id']} has not finished"):
            run = self.client.dag_run(run["dag_id"], run["dag_run_id"])
            self._raise_failure(run)
            if run["state"] == "success" or self._is_past(run, until):
                break
            # Nowhere else would it be seen before it is over, and to ask each second takes from what is waited for.
            if console.is_terminal:
                self.progress.update(line, detail=detail() if detail else self._running_task(run))
        self.progress.update(line, completed=1, detail=detail() if detail else "")
        return run

    def follow_started_by(self, title: str, dag_id: str, cause: dict, until: str | None = None) -> dict:
        """Follow the run of a DAG that an asset event of another run started, waiting for it to appear."""
        return self.follow(title, self._started_by(dag_id, cause), until=until)

    def follow_unfinished(self, title: str, dag_id: str, until: str | None = None) -> dict | None:
        """Follow a run that a demo stopped in the middle left to Airflow, None when there is none."""
        unfinished = [
            run
            for run in self.client.dag_runs(dag_id)
            if run["state"] in ("queued", "running") and not self._is_past(run, until)
        ]
        return self.follow(title, unfinished[0], until=until) if unfinished else None

    def task(self, run: dict, task_id: str) -> dict:
        """One task of a run."""
        return next(task for task in self._tasks(run) if task["task_id"] == task_id)

    def wait_for_question(self, title: str, training: dict, model: str) -> dict | None:
        """Wait until the release of what a run has trained asks a person; None when there was nothing to ask."""
        line = self.progress.add_task(title, total=1, detail="")
        run = self._started_by("release_model", training)
        # A run asks about one model; of two that came at once, it starts another run for the second.
        run_ids = [run["dag_run_id"], f"{run['dag_run_id']}__{model}"]
        for _ in _seconds(f"release_model run {run['dag_run_id']} has asked nothing about {model}"):
            request = _row(
                "select dag_run_id, may_ask from ops.release_requests where model = %s and dag_run_id = any(%s)"
                " order by request_id desc limit 1",
                model,
                run_ids,
            )
            if request is not None and not request[1]:
                self.progress.update(line, completed=1, detail="not better than what it was compared with")
                return None
            asking = run["dag_run_id"] if request is None else request[0]
            for question in self.client.waiting_approvals():
                if request is not None and question["dag_run_id"] == asking:
                    self.progress.update(line, completed=1)
                    return question
            self._raise_failure(self.client.dag_run(run["dag_id"], asking))

    def _started_by(self, dag_id: str, cause: dict) -> dict:
        others: set[str] = set()
        for _ in _seconds(f"No run of {dag_id} was started by {cause['dag_id']} run {cause['dag_run_id']}"):
            for run in self.client.dag_runs(dag_id):
                if run["dag_run_id"] in others:
                    continue
                events = self.client.upstream_asset_events(dag_id, run["dag_run_id"])
                if any(event["source_run_id"] == cause["dag_run_id"] for event in events):
                    return run
                # What started a run is known from its beginning.
                others.add(run["dag_run_id"])

    def _tasks(self, run: dict) -> list[dict]:
        return self.client.task_instances(run["dag_id"], run["dag_run_id"])

    def _is_past(self, run: dict, task_id: str | None) -> bool:
        """Whether a task of a run, where one is named, has succeeded."""
        return task_id is not None and self.task(run, task_id)["state"] == "success"

    def _running_task(self, run: dict) -> str:
        tasks = self._tasks(run)
        running = [task["task_id"] for task in tasks if task["state"] == "running"]
        done = sum(task["state"] in ("success", "skipped") for task in tasks)
        return f"{done}/{len(tasks)} {running[0] if running else ''}"

    def _raise_failure(self, run: dict) -> None:
        if run["state"] != "failed":
            return
        failed = [task for task in self._tasks(run) if task["state"] == "failed"]
        if not failed:
            raise StackError(f"{run['dag_id']} run {run['dag_run_id']} failed before a task could say why.")
        task = failed[0]
        log = self.client.task_log(
            run["dag_id"], run["dag_run_id"], task["task_id"], task["try_number"], task["map_index"]
        )
        raise StackError(f"{run['dag_id']}: the task {task['task_id']} failed. The end of its log:\n{log[-2500:]}")


def _seconds(complaint: str) -> Iterator[None]:
    """A step each second, of a long wait every other one, until it has taken so long that something must be wrong."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < STEP_TIMEOUT.total_seconds():
        yield
        # Four at once ask of Airflow what it must find out on the same cores.
        time.sleep(1 if waited < 15 else 2)
    raise StackError(
        f"{complaint} within {STEP_TIMEOUT}. Look at it in Airflow, or into {Settings().path('logs')}; "
        "`maeari demo` goes on where it stopped."
    )


def _row(query: str, *parameters) -> tuple:
    with connect("web") as connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()


def _crawled_since(kind: str, started_at: datetime) -> str:
    from crawlers.sources import active_sources

    items, pages = _row(
        "select sum(items), sum(pages) from ops.crawls where started_at >= %s and source = any(%s)",
        started_at,
        active_sources(kind),
    )
    return f"{items or 0:,} records on {pages or 0:,} pages"


def _live_version(model: str) -> int | None:
    row = _row("select version from ops.deployments where model = %s and live_to is null", model)
    return row and row[0]


def _newest_verdict() -> str | None:
    row = _row("select verdict from monitoring.verdicts where model = 'sentiment' order by window_end desc limit 1")
    return row and row[0]


def _waiting_requests() -> list[tuple[str, int]]:
    with connect("web") as connection, connection.cursor() as cursor:
        cursor.execute("select model, version from ops.release_requests where outcome = 'waiting' order by model")
        return cursor.fetchall()


def _whom_to_contact(airflow: str) -> str:
    if _live_version("churn") is None:
        return "no model of who leaves is live"
    customers, as_of_on = _row(
        "select count(*), max(as_of_on) from marts.retention_list"
        " where as_of_on = (select max(as_of_on) from marts.retention_list)"
    )
    return f"{customers:,} customers to contact as of {as_of_on}: {airflow}/maeari/churn"


def _what_the_news_is_about(airflow: str) -> str:
    if _live_version("topics") is None:
        return "no topics are live"
    (topics,) = _row("select count(*) from marts.topics where collection = 'articles'")
    return f"{topics} topics: {airflow}/maeari/topics; which words go together: {airflow}/maeari/keywords"


def _which_books() -> str:
    version = _live_version("recommend")
    if version is None:
        return f"no recommender is live. {_why_refused('recommend') or 'None was asked for.'}"
    books, first = _row("select count(*), min(book_id) from predictions.book_vectors where model_version = %s", version)
    return f"{books} books are known to version {version}: maeari recommend --like {first}"


def _airflow_address() -> str:
    settings = Settings()
    return settings.airflow_url or f"http://127.0.0.1:{settings.ports().airflow}"


def _print_summary(today: date) -> None:
    settings = Settings()
    airflow = _airflow_address()
    passwords = load_secrets(settings.home).airflow_users
    (reviews,) = _row("select count(*) from marts.fct_reviews")
    waiting = " and ".join(f"{model} version {version}" for model, version in _waiting_requests())
    lines = {
        "World's day": f"{today}; {reviews:,} reviews; newest verdict: {_newest_verdict() or 'none'}",
        "Airflow": airflow,
        **{f"  {user}": f"password {passwords[user].get_secret_value()}" for user in ("admin", "approver", "viewer")},
        "Reports": f"{airflow}/maeari/ (after the log-in; also in Airflow's menu: Maeari)",
        "Churn": _whom_to_contact(airflow),
        "Topics": _what_the_news_is_about(airflow),
        "Books": _which_books(),
        "MLflow": f"http://127.0.0.1:{settings.ports().mlflow}",
        "SQL": f"make psql, or {_psql_line(settings)}",
        "Waiting": (
            f"{waiting}: answer at {airflow}/required_actions or by `maeari approve --user approver`"
            if waiting
            else "nothing"
        ),
        "Next": "`make down` stops everything; `maeari demo advance --weeks 4` moves the world's clock on.",
    }
    console.rule("Maeari is up")
    for name, text in lines.items():
        # Never wrapped, so that a line can be copied whole.
        console.print(f"[bold]{name:<12}[/] {escape(text)}", soft_wrap=True, highlight=False)


def _psql_line(settings: Settings) -> str:
    """A line that opens the warehouse as the analyst; its password lies in a file of mode 0600."""
    address = urlsplit(settings.role_url("analyst"))
    database = address.path.lstrip("/")
    file = settings.path("pgpass")
    file.touch(mode=0o600)
    file.write_text(f"{address.hostname}:{address.port}:{database}:{address.username}:{unquote(address.password)}\n")
    psql = shutil.which("psql") or embedded_postgres.binary("psql")
    return f"PGPASSFILE={file} {psql} -h {address.hostname} -p {address.port} -U {address.username} {database}"
