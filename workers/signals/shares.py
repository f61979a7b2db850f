"""Which symbols this machine evaluates: its shares of a venue's market, held by leases that it renews.

Every machine of the venue hears all candles, so that it can take a share over at once; it evaluates those of
its shares. A machine that cannot reach the database goes on with what it has: nobody else can take it then,
and if somebody did, what both fire has the same ids. It stops when the database says that a share is
another's.

Each renewal says up to which close everything of a share is in the database. Whoever takes the share
evaluates what closed after that.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import structlog

from shared.errors import DatabaseError, Unavailable
from shared.market import Market
from shared.metrics import Metric, counter, gauge
from shared.role import Call
from workers.signals.role import SignalsRole

log = structlog.get_logger(__name__)

SHARES = 64
# A share of a machine that died is taken this long after its last renewal, and found within one renewal.
LEASE_SECONDS = 9
RENEWALS = 6
# A symbol that has been silent for so long holds no mark back.
LATE_MS = 10 * 60_000


def share_of(symbol: str) -> int:
    """The share that a symbol falls into."""
    return zlib.crc32(symbol.encode()) % SHARES


class Shares:
    """Takes, renews and gives back shares beside the steps of the roles.

    `venue` is the one that the market's candles come from: only machines that hear the same share. `call`
    reaches the database as signal_worker. `most_symbols` is how many this machine can evaluate, None
    for all. `counts` has held, symbols, taken, lost, given and unheld (shares that nobody holds).
    """

    name = "shares"

    def __init__(self, venue: str, market: Market, call: Call, *, most_symbols: int | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._venue = venue
        self._market = market
        self._call = call
        self._most_symbols = most_symbols
        self._role: SignalsRole | None = None
        self._fences: dict[int, int] = {}
        self._keeping: asyncio.Task[None] | None = None
        # Tests let time pass here.
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def holds(self, symbol: str) -> bool:
        """Whether this machine evaluates a symbol: one of its shares that the feed delivers, since what is
        evaluated before its history is there would forget it."""
        return share_of(symbol) in self._fences and self._market.base_interval(symbol) is not None

    @property
    def held(self) -> tuple[int, ...]:
        """The shares of this machine."""
        return tuple(sorted(self._fences))

    def serve(self, role: SignalsRole) -> None:
        """`role` evaluates what is held here."""
        self._role = role

    async def start(self) -> None:
        """Take what can be had, and keep it from now on."""
        await self.renew()
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="shares")

    async def step(self) -> int:
        """Nothing: shares do not wait for steps. Raises what ended the renewals."""
        if self._keeping is not None and self._keeping.done():
            self._keeping.result()
        return 0

    async def stop(self) -> None:
        """Give everything back, so that others take it at once."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
        shares = self._said()
        self._fences.clear()
        await self._call("leave_shares", {})
        if shares:
            await self._release(shares)

    def measure(self) -> Iterator[Metric]:
        """What shares tell Prometheus."""
        yield gauge("sigtrail_shares_held", "Shares of the symbols that this machine has.", len(self._fences))
        yield gauge("sigtrail_shares_symbols", "Symbols that it evaluates.", self.counts["symbols"])
        yield gauge(
            "sigtrail_shares_unheld", "Shares of its market that no machine has.", self.counts["unheld"]
        )
        yield counter(
            "sigtrail_shares_moved_total",
            "Shares that it took, lost to another machine, or gave to one with room.",
            {(one,): self.counts[one] for one in ("taken", "lost", "given")},
            ("as",),
        )

    async def renew(self) -> None:
        """Say that this machine lives, and take, lose or give what the database answers."""
        answer = await self._call(
            "renew_shares",
            {
                "venue": self._venue,
                "market": self._market.kind,
                "most": self._find_most(),
                "shares": self._said(),
                "lease_seconds": LEASE_SECONDS,
            },
        )
        self._hear(answer)
        surplus = [one for one in self._said() if one["share"] in set(answer["give"])]
        if surplus:
            self._drop(one["share"] for one in surplus)
            self.counts["given"] += len(surplus)
            await self._release(surplus)
        self.counts["held"] = len(self._fences)
        self.counts["symbols"] = sum(map(self.holds, self._market.symbols))
        self.counts["unheld"] = answer["free"]

    async def _release(self, shares: list[dict[str, Any]]) -> None:
        which = {"venue": self._venue, "market": self._market.kind}
        await self._call("release_shares", which | {"shares": shares})

    def _hear(self, answer: dict[str, Any]) -> None:
        lost = [share for share in answer["lost"] if share in self._fences]
        if lost:
            self.counts["lost"] += len(lost)
            log.warning("shares_lost", shares=sorted(lost))
            self._drop(lost)
        owed: dict[int, int | None] = {}
        for one in answer["held"]:
            if self._fences.get(one["share"]) != one["fence"]:
                self._fences[one["share"]] = one["fence"]
                owed[one["share"]] = one["evaluated_to"]
        if owed:
            self.counts["taken"] += len(owed)
            log.info("shares_taken", shares=sorted(owed))
            self._take(owed)

    def _take(self, owed: dict[int, int | None]) -> None:
        """Evaluate these shares too, from where whoever had them was."""
        if self._role is None:
            return
        since = {}
        for symbol in self._market.symbols:
            latest = self._market.latest(symbol)
            if latest is not None and (share := share_of(symbol)) in owed:
                mark = owed[share]
                since[symbol] = latest.close_ms if mark is None else mark
        self._role.rehold()
        self._role.owe(since)

    def _drop(self, shares: Iterable[int]) -> None:
        for share in shares:
            self._fences.pop(share, None)
        if self._role is not None:
            self._role.rehold()

    def _said(self) -> list[dict[str, Any]]:
        marks = self._marks()
        return [
            {"share": share, "fence": fence, "evaluated_to": marks.get(share)}
            for share, fence in self._fences.items()
        ]

    def _marks(self) -> dict[int, int]:
        """Up to which close all symbols of each share are settled; a symbol that fell silent is not waited
        for."""
        settled = {} if self._role is None else self._role.settled()
        newest = max(settled.values(), default=0)
        marks: dict[int, int] = {}
        for symbol, close in settled.items():
            if close > newest - LATE_MS:
                share = share_of(symbol)
                marks[share] = min(close, marks.get(share, close))
        return marks

    def _find_most(self) -> int:
        """How many shares fit, whichever they are: so many of the largest."""
        if self._most_symbols is None:
            return SHARES
        sizes: defaultdict[int, int] = defaultdict(int)
        wanted = self._role.wanted if self._role is not None else ()
        for symbol in wanted or self._market.symbols:
            sizes[share_of(symbol)] += 1
        room = self._most_symbols
        most = 0
        for size in sorted((sizes[share] for share in range(SHARES)), reverse=True):
            if size > room:
                break
            room -= size
            most += 1
        return most

    async def _keep(self) -> None:
        pause = LEASE_SECONDS / RENEWALS
        while True:
            await self._sleep(pause)
            try:
                await self.renew()
            except (Unavailable, DatabaseError) as error:
                log.warning("shares_not_renewed", error=str(error))
