"""The pages: each reads in one transaction and renders one template; none writes."""

from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse

from maeari import clock
from maeari.settings import Settings
from web import charts, periods, policies, queries, sentiment_figures, watched
from web.render import render

STATIC = {file.name: file for file in (Path(__file__).parent / "static").iterdir()}
# Found, not imported: this process draws nothing itself.
PLOTLY = Path(find_spec("plotly").origin).parent / "package_data" / "plotly.min.js"
PAGES_SHOWN = 2_000

router = APIRouter()
EveryPeriod = Literal["day", "week", "month", "quarter"]
Terms = Annotated[list[Annotated[str, Query(max_length=100)]] | None, Query(max_length=6)]
PageNumber = Annotated[int, Query(ge=1, le=PAGES_SHOWN)]
# A model that is only watched may have any name that its policy gives.
ModelName = Annotated[str, PathParameter(pattern=r"^[^\x00]+$")]
# Postgres has no integer larger than this for a version.
VersionNumber = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]


@router.get("/")
def index(request: Request) -> HTMLResponse:
    """Whether today's figures can be trusted, every model, what waits for a person, the newest crawls."""
    with queries.reading() as cursor:
        models = queries.models(cursor)
        windows = {model["model"]: queries.windows(cursor, model["model"]) for model in models}
        return render(
            request,
            "index.html",
            today=clock.today(),
            checks=queries.checks(cursor),
            models=[
                model
                | {
                    "newest": watched.newest(windows[model["model"]]),
                    "sparkline": charts.sparkline_of_windows(windows[model["model"]]),
                }
                for model in models
            ],
            waiting=[asked for asked in queries.requests(cursor) if asked["outcome"] == "waiting"],
            crawls=queries.last_crawls(cursor),
            rejections=queries.rejections(cursor),
        )


@router.get("/models/{model:path}/versions/{number}")
def version_page(request: Request, model: ModelName, number: VersionNumber) -> HTMLResponse:
    """The card of one version, and the evidence that was frozen when its release was asked for."""
    with queries.reading() as cursor:
        version = queries.version(cursor, model, number)
        if version is None:
            raise HTTPException(404)
        deployments = [one for one in queries.deployments(cursor, model) if one["version"] == number]
        requests = [one for one in queries.requests(cursor, model) if one["version"] == number]
    ageing = version["card"].get("ageing")
    aged = sentiment_figures.accuracy_by_age(ageing) if isinstance(ageing, dict) else None
    return render(
        request,
        "version.html",
        has_charts=aged is not None,
        ageing=ageing if isinstance(ageing, dict) else {},
        aged=aged,
        model=model,
        version=version,
        deployments=deployments,
        requests=requests,
    )


@router.get("/models/{model:path}/windows/{start}/{end}")
def window_page(request: Request, model: ModelName, start: date, end: date) -> HTMLResponse:
    """One window: its verdict in words, its figures, and its drift report in a frame."""
    with queries.reading() as cursor:
        window = queries.window(cursor, model, start, end)
        if window is None:
            raise HTTPException(404)
    return render(request, "window.html", model=model, window=window)


@router.get("/models/{model:path}")
def model_page(request: Request, model: ModelName, on: date | Literal[""] | None = None) -> HTMLResponse:
    """How good the model was, window by window, what moved, what was released when, and what counted on a day."""
    with queries.reading() as cursor:
        versions = queries.versions(cursor, model)
        windows = queries.windows(cursor, model)
        if not versions and not windows:
            raise HTTPException(404)
        deployments = queries.deployments(cursor, model)
        requests = queries.requests(cursor, model)
        beside = queries.beside(cursor, model)
        shares = watched.shares(queries.shares(cursor, model))
        live = next((deployment for deployment in deployments if deployment["live_to"] is None), None)
        shown = (
            queries.version(cursor, model, live["version"] if live else versions[0]["version"]) if versions else None
        )
        judged = next((window for window in reversed(windows) if window["value"] is not None), None)
        columns = watched.columns(queries.metrics(cursor, windows[-1]), windows[-1]["reasons"]) if windows else []
        segments = watched.segments(queries.metrics(cursor, judged), judged["figure"]) if judged else []
    return render(
        request,
        "model.html",
        model=model,
        versions=versions,
        live=live,
        figures=shown["card"].get("figures") if shown else None,
        deployments=deployments,
        requests=requests,
        waiting=next((asked for asked in requests if asked["outcome"] == "waiting"), None),
        windows=windows[::-1],
        beside=beside,
        shares=shares,
        judged=judged,
        columns=columns,
        segments=segments[: watched.SEGMENTS_SHOWN],
        more_segments=len(segments) - watched.SEGMENTS_SHOWN,
        today=clock.today(),
        on=on,
        in_charge=watched.in_charge(deployments, on) if on else None,
        holding=watched.holding(windows, on) if on else None,
        wide=charts.timeline(windows, deployments, width=960),
        narrow=charts.timeline(windows, deployments, width=360, height=240),
    )


@router.get("/reviews")
def reviews_page(
    request: Request,
    subject: str = "",
    source: str = "",
    label: Literal["", "positive", "negative", "unsure"] = "",
    term: Terms = None,
    every: EveryPeriod = "week",
    period: date | Literal[""] | None = None,
    page: PageNumber = 1,
) -> HTMLResponse:
    """The newest reviews, each with the score by the version in charge beside its stars; those with some keywords."""
    subject, source = subject.replace("\0", ""), source.replace("\0", "")
    terms, start = chosen_terms(term), periods.Every(every).start(period) if period else None
    with queries.reading() as cursor:
        built = queries.has_marts(cursor)
        found = (
            queries.reviews(
                cursor,
                source or None,
                subject or None,
                label or None,
                page,
                terms=terms,
                between=periods.bounds(every, start) if start else None,
            )
            if built
            else []
        )
        subjects = queries.subjects(cursor) if built else []
    return render(
        request,
        "reviews.html",
        reviews=found[: queries.ROWS_PER_PAGE],
        has_more=len(found) > queries.ROWS_PER_PAGE,
        subjects=subjects,
        subject=subject,
        source=source,
        sources=sorted({name for one in subjects for name in one["sources"]} | {source} - {""}),
        label=label,
        terms=terms,
        terms_in_address=terms_in_address(terms),
        every=every,
        period=start,
        name=periods.name(every, start) if start else None,
        page=page,
        built=built,
    )


@router.get("/warehouse")
def warehouse_page(request: Request) -> HTMLResponse:
    """The documentation that dbt wrote of the warehouse, in a frame."""
    return render(request, "warehouse.html", written=_docs().is_file())


@router.get("/warehouse-docs")
def warehouse_docs() -> FileResponse:
    """dbt's own page, alone, as nobody."""
    if not _docs().is_file():
        raise HTTPException(404)
    return _sandboxed(_docs())


@router.get("/reports/{path:path}")
def report(path: str) -> FileResponse:
    """A drift report made by Evidently, alone, as nobody."""
    reports = Settings().path("reports").resolve()
    try:
        file = reports.joinpath(path).resolve()
        is_report = file.is_relative_to(reports) and file.suffix == ".html" and file.is_file()
    except (ValueError, OSError):
        # A NUL, or a name longer than any file's.
        is_report = False
    if not is_report:
        raise HTTPException(404)
    return _sandboxed(file)


@router.get("/static/plotly.min.js")
def plotly() -> FileResponse:
    """The library that draws charts, as its package brings it; pages ask for it by its version."""
    return FileResponse(PLOTLY, headers={"Cache-Control": "private, max-age=31536000, immutable"})


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """The style sheet, the icon and the script that draws charts."""
    if name not in STATIC:
        raise HTTPException(404)
    return FileResponse(STATIC[name], headers={"Cache-Control": "private, max-age=300"})


def chosen_terms(terms: list[str] | None) -> list[str]:
    """The keywords that an address asks for."""
    given = (one.replace("\0", "").strip() for one in terms or [])
    return [one for one in given if one]


def terms_in_address(terms: list[str]) -> str:
    """The keywords as the beginning of an address's query."""
    return "".join(f"term={quote(one, safe='')}&" for one in terms)


def _docs() -> Path:
    return Settings().path("dbt", "target", "static_index.html")


def _sandboxed(file: Path) -> FileResponse:
    return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": policies.SANDBOX})
