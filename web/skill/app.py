"""The skill server as one FastAPI app: the endpoint that chatbots ask, its health and description, a page to try it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maeari.settings import Settings
from web import policies
from web.skill import pages, phrases
from web.skill.callers import SECRET_HEADER, Callers, networks
from web.skill.formats import Refusal, SkillAnswer, SkillRequest
from web.skill.sayings import Heard, saying

if TYPE_CHECKING:
    from web.skill.bot import Bot
    from web.skill.library import Librarian

MOST_BYTES = 64 * 1024
SLOWEST_SECONDS = 0.9
"""From its arrival on, when a message is answered by a kind word at the latest."""
THREADS, MOST_WAITING = 2, 64
HEALTH_SECONDS = 0.5
HEADERS = {
    "Content-Security-Policy": policies.STRICT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
REFUSALS = {
    400: ("not_understood", "본문을 이해하지 못했어요"),
    401: ("not_known", "비밀 값이 없거나 맞지 않아요"),
    404: ("not_found", "이 주소에는 아무것도 없어요"),
    405: ("wrong_method", "이 주소는 그 방법으로 부를 수 없어요"),
    413: ("too_large", "본문이 너무 커요"),
    415: ("no_json", "JSON으로 보내 주세요"),
}
logger = logging.getLogger("maeari.skill")


class Health(BaseModel):
    """Whether messages can be answered."""

    is_ready: bool
    """Whether the library is loaded."""
    database_answers: bool
    model_version: int | None
    """None where no version is live, or nothing is loaded yet."""
    books: int


@dataclass(frozen=True)
class Skill:
    """What answers messages, and who may ask."""

    bot: "Bot"
    callers: Callers

    @classmethod
    def from_settings(cls, librarian: "Librarian | None" = None) -> "Skill":
        """As the settings say; without a librarian one that begins to load when the first message comes."""
        # Whoever only mounts the app, as Airflow does in each of its processes, need not load what answers.
        from web.skill.bot import Bot
        from web.skill.library import Librarian
        from web.skill.store import Store

        librarian = librarian or Librarian(is_lazy=True)
        settings = Settings()
        store = Store(settings.role_url("skill"))
        bot = Bot(librarian, store, settings.author_key(), settings.skill_messages_a_minute)
        callers = Callers(
            settings.skill_secret(),
            networks(settings.skill_allowed, "MAEARI_SKILL_ALLOWED"),
            networks(settings.skill_proxies, "MAEARI_SKILL_PROXIES"),
        )
        return cls(bot, callers)


def create_app(make: Callable[[], Skill], *, has_chat: bool = False, authorize: Callable | None = None) -> FastAPI:
    """The app; the skill is made when it is first asked for, so that to describe the app nothing is needed.

    `authorize` is a FastAPI dependency that raises 401 or 403 for a caller who may not see anything but the endpoint.
    """
    app = FastAPI(title="Maeari's book bot", version=package_version("maeari"), openapi_url=None, docs_url=None)
    desk = Desk(make)
    seen = [Depends(authorize)] if authorize else []
    refusals = {status: {"model": Refusal, "description": words} for status, (_, words) in REFUSALS.items()}

    @app.post(
        "/kakao/skill",
        summary="Answer a message",
        description=(
            "A message that KakaoTalk's chatbot hands on, answered in format 2.0. Whoever asks shows the secret, or "
            "comes from an allowed address. What cannot be answered in time is answered by a kind word all the same."
        ),
        response_model=SkillAnswer,
        # Only described here: an allowed address needs none.
        dependencies=[Depends(APIKeyHeader(name=SECRET_HEADER, auto_error=False))],
        responses={status: refusals[status] for status in (400, 401, 413, 415)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SkillRequest"}}},
            }
        },
    )
    async def skill(request: Request) -> Response:
        arrived = time.monotonic()
        made = await desk.skill()
        if not made.callers.may_ask(request.headers, request.client and request.client.host):
            raise HTTPException(401, f"Send the secret in the header {SECRET_HEADER}, or ask from an allowed address.")
        message = _understood(await _body(request))
        return _json((await desk.answer(message, arrived)).answer)

    @app.get(
        "/health",
        summary="Whether messages can be answered",
        response_model=Health,
        responses={503: {"model": Health, "description": "The library is being loaded."}},
        dependencies=seen,
    )
    async def health() -> Response:
        return await desk.health()

    @app.get("/openapi.json", include_in_schema=False, dependencies=seen)
    async def description() -> JSONResponse:
        return JSONResponse(app.openapi())

    app.include_router(pages.router(app, desk if has_chat else None), dependencies=seen)

    if authorize:
        # The last route, so that an unknown address asks for authorization before it says "not found".
        @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False, dependencies=seen)
        def not_found(path: str) -> None:
            raise HTTPException(404)

    app.add_exception_handler(StarletteHTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.openapi = partial(_description, app)
    app.add_middleware(Guard)
    return app


class Desk:
    """Takes messages from the event loop to a few threads, and brings the answers back in time."""

    def __init__(self, make: Callable[[], Skill]):
        self._make = make
        self._skill: Skill | None = None
        self._making = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="skill")
        self._waiting = 0

    async def skill(self) -> Skill:
        """The skill, made when it is first asked for; others' requests go on meanwhile."""
        return self._skill or await asyncio.get_running_loop().run_in_executor(None, self._made)

    def _made(self) -> Skill:
        with self._making:
            self._skill = self._skill or self._make()
        return self._skill

    async def begin(self) -> None:
        """Begin to load what answers; what hinders that is told to whoever asks."""
        with suppress(Exception):
            (await self.skill()).bot.librarian.current()

    async def answer(self, message: SkillRequest, arrived: float, channel: str = "kakao") -> Heard:
        """The answer to a message, at the latest when its time is over."""
        bot = (await self.skill()).bot
        heard = await self._heard(bot, message, arrived, channel)
        logger.info(
            "intent=%s outcome=%s ms=%.0f reader=%s", heard.intent, heard.outcome,
            1_000 * (time.monotonic() - arrived), bot.reader_key(message)[:8],
        )  # fmt: skip
        return heard

    async def _heard(self, bot: "Bot", message: SkillRequest, arrived: float, channel: str) -> Heard:
        if self._waiting >= MOST_WAITING:
            return Heard(saying(phrases.AWAY), "too_busy")
        self._waiting += 1
        left = SLOWEST_SECONDS - (time.monotonic() - arrived)
        hearing = asyncio.get_running_loop().run_in_executor(self._threads, bot.hear, message, arrived, channel)
        hearing.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(hearing), left)
        except TimeoutError:
            hearing.cancel()
            return Heard(saying(phrases.AWAY), "too_slow")
        except Exception as error:
            # What it says may hold what the person wrote.
            logger.error("outcome=broken error=%s at=%s", type(error).__name__, _place(error))
            return Heard(saying(phrases.BROKEN), "broken")

    def _done(self, hearing: asyncio.Future) -> None:
        self._waiting -= 1
        if not hearing.cancelled():
            hearing.exception()

    async def health(self) -> Response:
        """What is loaded, and whether the database answers within half a second."""
        bot = (await self.skill()).bot
        library = bot.librarian.current()
        deadline = time.monotonic() + HEALTH_SECONDS
        answers = await asyncio.get_running_loop().run_in_executor(None, bot.store.answers, deadline)
        told = Health(
            is_ready=library is not None,
            database_answers=answers,
            model_version=library.edition.version if library else None,
            books=len(library.books) if library else 0,
        )
        return JSONResponse(told.model_dump(), 200 if library is not None else 503)


class Guard:
    """Adds the headers of every answer, and a reason in JSON to what breaks before there is one."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(one for one in added if one[0] not in known)]
            await send(message)

        await self.app(scope, receive, add)


async def _body(request: Request) -> bytes:
    """The body of a request; refused as soon as it is known to be too large or no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, "Send the message as application/json.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise HTTPException(413, f"The body has {int(length):,} bytes; at most {MOST_BYTES:,} are read.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body has more than {MOST_BYTES:,} bytes, which are all that is read.")
    return bytes(body)


def _understood(body: bytes) -> SkillRequest:
    try:
        return SkillRequest.model_validate_json(body)
    except ValidationError as error:
        # Of each mistake its place and kind, never the value, which a person may have written.
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['type']}" for one in error.errors()[:5]]
        raise HTTPException(400, f"The message is no request of a KakaoTalk skill ({'; '.join(wrong)}).") from None


def _refuse(request: Request, error: StarletteHTTPException) -> JSONResponse:
    name, korean = REFUSALS.get(error.status_code, ("refused", "요청을 받을 수 없어요"))
    told = Refusal(error=name, message=str(error.detail), message_ko=korean)
    return JSONResponse(told.model_dump(), error.status_code, headers=error.headers)


def _misunderstood(request: Request, error: RequestValidationError) -> JSONResponse:
    wrong = [f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors()[:5]]
    return _refuse(request, StarletteHTTPException(400, f"Not understood ({'; '.join(wrong)})."))


def _json(answer: SkillAnswer) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the request that the endpoint reads by itself."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, schemas = models_json_schema([(SkillRequest, "validation")], ref_template="#/components/schemas/{model}")
        found["components"]["schemas"] |= schemas["$defs"]
        app.openapi_schema = found
    return app.openapi_schema


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "-"
