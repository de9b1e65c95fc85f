"""The pages as one FastAPI app: every route behind one authorization, every answer under a content policy."""

from collections.abc import Callable

import psycopg2
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from maeari.errors import DatabaseUnavailable, SettingsError
from web import articles, churn, keywords, pages, policies, sentiment, tables, topics
from web.render import render

HEADERS = {
    "Content-Security-Policy": policies.STRICT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def create_app(authorize: Callable) -> FastAPI:
    """The app; `authorize` is a FastAPI dependency that raises 401 or 403 for a caller who may not read."""
    app = FastAPI(title="Maeari", openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(authorize)])

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable) -> Response:
        response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.include_router(pages.router)
    app.include_router(sentiment.router)
    app.include_router(articles.router)
    app.include_router(topics.router)
    app.include_router(keywords.router)
    app.include_router(churn.router)
    app.include_router(tables.router)

    # The last route, so that an unknown address asks for authorization before it says "not found".
    @app.api_route("/{path:path}", methods=ALL_METHODS)
    def not_found(path: str) -> None:
        raise HTTPException(404)

    app.add_exception_handler(StarletteHTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    for error in (psycopg2.Error, DatabaseUnavailable, SettingsError):
        app.add_exception_handler(error, _warehouse_away)
    app.add_exception_handler(Exception, _broken)
    return app


def _refuse(request: Request, error: StarletteHTTPException) -> HTMLResponse:
    title, advice = {
        401: ("Please log in", "These pages need Airflow's log-in. Log in to Airflow and open this page again."),
        403: ("Not for this account", "This account may not read these pages; ask whoever gives out Airflow roles."),
        404: ("Nothing here", "No page or file has this address. The overview links to all that exist."),
    }.get(error.status_code, ("This did not work", str(error.detail)))
    response = render(request, "error.html", title=title, advice=advice, status_code=error.status_code)
    response.headers.update(error.headers or {})
    return response


def _misunderstood(request: Request, error: RequestValidationError) -> HTMLResponse:
    wrong = ", ".join(sorted({str(problem["loc"][1]) for problem in error.errors()}))
    advice = f"Not understood in the address: {wrong}. Start again from the overview."
    return render(request, "error.html", title="This address is not understood", advice=advice, status_code=422)


def _warehouse_away(request: Request, error: Exception) -> HTMLResponse:
    if isinstance(error, psycopg2.errors.QueryCanceled):
        advice = "The warehouse took too long to answer. Try again when the running builds are done."
    elif isinstance(error, psycopg2.errors.UndefinedTable | psycopg2.errors.InvalidSchemaName):
        advice = "The warehouse has not been set up: run `maeari migrate` (`make up` does it), then reload."
    else:
        advice = "The warehouse does not answer. Run `maeari doctor`; if the stack is down, `make up` starts it."
    return render(request, "error.html", title="The warehouse is away", advice=advice, status_code=503)


def _broken(request: Request, error: Exception) -> HTMLResponse:
    advice = "This is a fault in Maeari; the log of Airflow's api-server holds the traceback."
    response = render(request, "error.html", title="This page broke", advice=advice, status_code=500)
    # This handler runs outside the middleware that adds them elsewhere.
    response.headers.update(HEADERS)
    return response
