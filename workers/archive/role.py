"""The role that keeps the past: it seals the trail every minute, and takes cold days into the archive.

It runs on the wall's clock, beside the other roles: a replay neither waits for it nor sees anything of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import structlog

from shared.errors import SigtrailError, Unavailable
from shared.metrics import Metric
from shared.settings import Settings
from workers.archive.keys import SealKey
from workers.archive.metrics import measure
from workers.archive.rounds import work
from workers.archive.store import Store, open_store

log = structlog.get_logger(__name__)

SECONDS = 60.0
# A last look when the machine stops: what was written until now is sealed, unless that takes too long.
LAST_SECONDS = 15.0


class ArchiveRole:
    """Makes a round every `seconds` from `start` to `stop`; `counts` are seals, parts, signals and bytes."""

    name = "archive"

    def __init__(self, settings: Settings, *, seconds: float = SECONDS) -> None:
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._key = SealKey.from_text(settings.need("sigtrail_seal_key"))
        self._seconds = seconds
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: SigtrailError | None = None

    async def start(self) -> None:
        """Begin the rounds. Raises ConfigurationError when the archive's address or key cannot be."""
        self._settings.need("supabase_db_url")
        store = await open_store(self._settings)
        self._task = asyncio.create_task(self._run(store), name="archive")

    async def step(self) -> int:
        """Report what the rounds could not do; they do the work by themselves."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._task is not None and self._task.done():
            # A defect: the machine stops and says so.
            self._task.result()
        return 0

    async def stop(self) -> None:
        """Finish the round under way, or leave it: the next archiver goes on from there."""
        self._stopping.set()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await asyncio.shield(self._task)
        except TimeoutError:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def measure(self) -> Iterable[Metric]:
        """What the role tells Prometheus."""
        return measure(self.counts)

    async def _run(self, store: Store) -> None:
        try:
            while True:
                last = self._stopping.is_set()
                await self._round(store, last=last)
                if last:
                    return
                try:
                    async with asyncio.timeout(self._seconds):
                        await self._stopping.wait()
                except TimeoutError:
                    continue
        finally:
            await store.close()

    async def _round(self, store: Store, *, last: bool) -> None:
        try:
            # The last round only seals: a day takes longer than a machine may need to stop.
            done = await work(self._settings, store, self._key, days=[] if last else None)
        except Unavailable as error:
            log.warning("archive_postponed", error=str(error))
            self.counts["postponed"] += 1
        except SigtrailError as error:
            log.exception("archive_failed")
            self._failure = error
        else:
            self.counts["seals"] += done.seals
            self.counts["parts"] += len(done.parts)
            self.counts["signals"] += sum(part.signals for part in done.parts)
            self.counts["bytes"] += sum(part.byte_count for part in done.parts)
            self.counts["rounds"] += 1
