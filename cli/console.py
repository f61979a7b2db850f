"""`sigtrail console`: the web app of this project, served from here. Any static host can do it too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from aiohttp import web

from cli.output import notes
from cli.project import run
from cli.running import until_stopped
from shared.errors import ConfigurationError
from shared.settings import CHECKOUT, Settings, load

BUILT = CHECKOUT / "console" / "dist"
HOST = "127.0.0.1"
# Several of one machine find a port each.
FIRST_PORT, PORTS = 54330, 20


def console(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"Instead of the first free one from {FIRST_PORT}.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write its config.json into this folder, for a static host, and end.")
    ] = None,
) -> None:
    """Serve the console of this project until Ctrl-C."""
    settings = load()
    if to is not None:
        (to / "config.json").write_text(json.dumps(configuration(settings), indent=2) + "\n")
        return

    async def serve() -> None:
        async with open_console(settings, port) as address:
            notes.print(f"the console is at {address}", soft_wrap=True)
            await asyncio.Event().wait()

    run(until_stopped(serve()))


def configuration(settings: Settings) -> dict[str, str]:
    """What the console has to know of its project: nothing secret."""
    key = settings.supabase_publishable_key.get_secret_value()
    return {"supabaseUrl": settings.supabase_url, "publishableKey": key}


@asynccontextmanager
async def open_console(
    settings: Settings, port: int | None = None, built: Path = BUILT
) -> AsyncIterator[str]:
    """Serve the built console on loopback, and answer its address.

    Raises ConfigurationError when it is not built, or no port can be had.
    """
    if not (built / "index.html").is_file():
        raise ConfigurationError("the console is not built: run ./scripts/install --console")
    app = web.Application()
    config = configuration(settings)

    async def tell_config(_: web.Request) -> web.Response:
        return web.json_response(config)

    async def show_page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(built / "index.html")

    app.add_routes([web.get("/config.json", tell_config), web.get("/", show_page), web.static("/", built)])
    app.on_response_prepare.append(_guard(settings))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield f"http://{HOST}:{await _listen(runner, port)}/"
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int | None) -> int:
    tried = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
    failure: OSError | None = None
    for one in tried:
        try:
            await web.TCPSite(runner, HOST, one).start()
        except OSError as error:
            failure = error
            continue
        return int(runner.addresses[0][1])
    raise ConfigurationError(
        f"the console finds no port on {HOST}, {tried[0]} to {tried[-1]} tried ({failure}):"
        " free one of them, or name another with --port"
    )


def _guard(settings: Settings) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Puts on every answer what a browser may do with it."""
    host = urlsplit(settings.supabase_url)
    project = f"{host.scheme}://{host.netloc}"
    sockets = f"{'wss' if host.scheme == 'https' else 'ws'}://{host.netloc}"
    # Styles are set by scripts in places (charts, dialogs); scripts come from here alone.
    policy = (
        f"default-src 'self'; connect-src 'self' {project} {sockets}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        # Files below assets/ are named by their content.
        lasting = request.path.startswith("/assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"

    return add_headers
