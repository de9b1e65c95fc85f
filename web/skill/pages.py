"""What people open of the skill server: its description, and a page to try the bot."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.background import BackgroundTask

from web import policies
from web.skill import phrases
from web.skill.formats import VERSION, SkillRequest

if TYPE_CHECKING:
    from web.skill.app import Desk

WEB = Path(__file__).resolve().parent.parent
STATIC = {name: WEB / "static" / name for name in ("maeari.css", "icon.svg", "chat.js", "chat.css")}
_environment = Environment(
    loader=FileSystemLoader(WEB / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Typed(BaseModel):
    """What was typed on the page, and a name that the page made up for its visit."""

    model_config = ConfigDict(extra="forbid")

    utterance: Annotated[str, StringConstraints(max_length=10_000)]
    user: Annotated[str, StringConstraints(pattern="^[0-9A-Za-z-]{8,64}$")]


def router(app: FastAPI, desk: "Desk | None") -> APIRouter:
    """The pages of the app; that to try the bot is there only where a desk is given."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/docs")
    def describe(request: Request) -> HTMLResponse:
        described = app.openapi()
        return _render(request, "skill_docs.html", described=described, written=_written)

    @pages.get("/static/{name}")
    def static(name: str) -> FileResponse:
        if name not in STATIC:
            raise HTTPException(404, "No such file is served here.")
        return FileResponse(STATIC[name])

    if desk is not None:

        @pages.get("/")
        def chat(request: Request) -> HTMLResponse:
            page = _render(request, "chat.html", examples=EXAMPLES)
            page.headers["Content-Security-Policy"] = policies.CHAT
            # Who opens the page will soon say something.
            page.background = BackgroundTask(desk.begin)
            return page

        @pages.post("/chat/messages")
        async def message(typed: Typed) -> JSONResponse:
            arrived = time.monotonic()
            sent = {
                "version": VERSION,
                "userRequest": {
                    "timezone": "Asia/Seoul",
                    "utterance": typed.utterance,
                    "lang": "ko",
                    "user": {"id": typed.user, "type": "accountId", "properties": {}},
                },
                "bot": {"id": "chat-page", "name": "chat page"},
            }
            heard = await desk.answer(SkillRequest.model_validate(sent), arrived, "chat_page")
            told = {"request": sent, "response": heard.answer.body()}
            return JSONResponse(told | {"milliseconds": round(1_000 * (time.monotonic() - arrived))})

    return pages


EXAMPLES = (phrases.EXAMPLE, phrases.POPULAR_LABEL, phrases.HELP_LABEL)


def _render(request: Request, template: str, **context) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    return HTMLResponse(_environment.get_template(template).render(root=root, **context))


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
