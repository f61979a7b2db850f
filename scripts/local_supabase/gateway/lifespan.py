"""Starting and stopping the apps that are mounted in process, each as if a server of its own ran it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from scripts.local_supabase.gateway.asgi import App, Message


class AppFailed(Exception):
    """A mounted app could not start or stop; the message is what it said."""


class MountedLifespan:
    """Runs one app's lifespan: entered once it is ready, left once it has cleaned up."""

    def __init__(self, name: str, app: App) -> None:
        self._name = name
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._app(scope, self._to_app.get, self._from_app.put))
        await self._exchange("startup")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange("shutdown")
        await self._task

    async def _exchange(self, phase: str) -> None:
        await self._to_app.put({"type": f"lifespan.{phase}"})
        reply = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({reply, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done():
            # The app ended without an answer: it has no lifespan, or it raised, which this raises.
            reply.cancel()
            return self._task.result()
        message = reply.result()
        if message["type"] != f"lifespan.{phase}.complete":
            raise AppFailed(f"{self._name}: {message.get('message') or f'{phase} failed'}")
        return None
