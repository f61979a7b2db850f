"""What waits to be sent to one client: in order, and not without bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from scripts.local_supabase.realtime.frames import Frame

Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Close:
    """The end of the socket, after everything before it."""

    code: int


class Outbox:
    """Takes frames from anybody at once; `drain` sends them one after another.

    While it is held, only what is put with `first` goes out: a join is answered before anything else is said.
    `overflowed` is set when the client left too much unread; then nothing more is taken.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[Frame | Close] = deque()
        self._held: deque[Frame | Close] | None = None
        self._bytes = 0
        self.overflowed = asyncio.Event()
        self._something = asyncio.Event()

    def put(self, frame: Frame | Close, first: bool = False) -> None:
        if self.overflowed.is_set():
            return
        self._bytes += 0 if isinstance(frame, Close) else len(frame)
        if self._bytes > self._limit:
            self.overflowed.set()
            self._frames.clear()
            return
        if self._held is not None and not first:
            self._held.append(frame)
            return
        self._frames.append(frame)
        self._something.set()

    def hold(self) -> None:
        self._held = deque()

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._frames.extend(held)
            self._something.set()

    async def drain(self, send: Send) -> None:
        """Send until the socket is closed. Waits for as long as the client does not read."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._frames:
                frame = self._frames.popleft()
                if isinstance(frame, Close):
                    await send({"type": "websocket.close", "code": frame.code})
                    return
                kind = "bytes" if isinstance(frame, bytes) else "text"
                await send({"type": "websocket.send", kind: frame})
                self._bytes -= len(frame)
