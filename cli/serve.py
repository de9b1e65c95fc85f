"""The command that runs the book bot alone, behind a reverse proxy or on this machine."""

import gc
import logging
import os
import socket
import sys
from ipaddress import ip_address
from typing import Annotated

import typer

from maeari.errors import StackError
from maeari.settings import Settings

app = typer.Typer()

PORT = 8095


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")] = PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer; they share the library.")] = 2,
    chat: Annotated[bool, typer.Option("--chat", help="Show a page to try the bot, on this machine alone.")] = False,
) -> None:
    """Answer KakaoTalk's chatbots as a skill server: POST /kakao/skill, GET /health, GET /docs.

    Example: `maeari serve --chat`
    """
    if chat and not _is_loopback(host):
        raise typer.BadParameter(
            f"--chat lets everyone who reaches {host} talk without the secret; it needs --host 127.0.0.1"
        )
    # Each answer is one thread's; more would only fight for the cores. Read when numpy is first imported.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # What other parts say of their work does not belong beside the lines of messages.
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("maeari").setLevel(logging.INFO)
    settings = Settings()
    settings.skill_secret()
    listener = _listener(host, port)
    # Loading makes millions of objects and hardly any garbage; workers collect theirs.
    gc.disable()
    # Not before there is a socket: a mistake should be told at once, and what follows takes seconds.
    from web.skill.callers import SECRET_HEADER
    from web.skill.workers import Workers

    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    origin = (
        "MAEARI_SKILL_SECRET"
        if os.environ.get("MAEARI_SKILL_SECRET")
        else f"“skill” in {settings.path('secrets.json')}"
    )
    print(f"The book bot listens at {address}/kakao/skill; {address}/docs describes it.")
    if chat:
        print(f"Try it at {address}/")
    print(f"Callers send the header {SECRET_HEADER}; its value is {origin}.")
    print("Loading the library …", flush=True)
    Workers(listener, workers, chat, _ready).run()
    print("Stopped.")


def _ready(library) -> None:
    version = library.edition.version
    model = f"version {version} of the recommender" if version is not None else "no live recommender"
    print(f"Ready: {len(library.books):,} books, {model}.", flush=True)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise StackError(
            f"{host}:{port} cannot be listened at: {error.strerror or error}. Name another by --host or --port; "
            "`--port 0` takes one that is free."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
