"""The way of one account's requests to its venue: lease, clock, breaker and limiter, in this order.

    request ─▶ lease ─▶ clock ─▶ breaker ─▶ limiter (waits its turn) ─▶ lease once more ─▶ venue

Stops and cancels take risk away: they pass the breaker and a wrong clock, and have a reserve at the
limiter. The lease holds for every command. A routine question that has to wait is put off instead.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccxt.base.errors import BaseError, DDoSProtection, RateLimitExceeded

from workers.trading.lease import Lease
from workers.trading.traffic.breaker import Breaker
from workers.trading.traffic.limiter import Limiter, Wait, address_file
from workers.trading.traffic.limiter_budgets import tariff_of
from workers.trading.traffic.limiter_file import LimiterFile, machine_ms
from workers.trading.traffic.traffic import PUT_OFF, Turn, Withheld, counts_as
from workers.trading.traffic.venue_clock import VenueClock

# How long a request waits for its turn before it is given back to whoever decides anew.
# A routine question holds up nothing that its account has to do: it comes again soon.
PATIENCE_SECONDS: Mapping[Turn, float] = {
    "order": 1.0,
    "read": 5.0,
    "stop": 5.0,
    "cancel": 5.0,
    "routine": 0.05,
}

# Failures in a row until a venue is left alone.
FAILURES, NEVER = 5, 1_000_000_000

# When the request under way left, for the venue's clock.
_asked_ms: ContextVar[int | None] = ContextVar("asked_ms", default=None)
# How often the venue had refused when it got its turn.
_refusals: ContextVar[int] = ContextVar("refusals", default=0)


@dataclass(slots=True)
class Shared:
    """What all accounts of one venue share in this process."""

    breaker: Breaker = field(default_factory=Breaker)
    clock: VenueClock = field(default_factory=VenueClock)
    # How often the venue said to any of them that it was too much.
    refusals: int = 0


class Gates:
    """Makes the way of each account. `folder` is shared by the processes of the machine; without one every
    request leaves as far as the limiter is concerned. `visible` tells how venues and their breakers stand."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = machine_ms,
        chance: random.Random | None = None,
    ) -> None:
        self._now_ms = now_ms
        self._folder = folder
        self._sleep = sleep
        self._monotonic = monotonic
        self._chance = chance
        self._venues: dict[str, Shared] = {}
        self._limiters: dict[str, Limiter] = {}
        # By venue: what its accounts send from here is counted together, whatever the disk takes.
        self._addresses: dict[str, LimiterFile] = {}

    def way(self, venue: str, account: str, lease: Lease) -> Way:
        """The way of one account to its venue (ccxt's name)."""
        known = self._venues.get(venue)
        if known is None:
            # The paper exchange is part of this process: there is nothing to leave alone.
            limit = NEVER if venue == "paper" else FAILURES
            breaker = Breaker(limit, now=self._monotonic, chance=self._chance)
            known = self._venues[venue] = Shared(breaker=breaker)
        lease.heed(known.clock.most_ahead)
        limiter = None
        if self._folder is not None and venue != "paper":
            tariff = tariff_of(venue)
            if venue not in self._addresses:
                self._addresses[venue] = address_file(self._folder, venue, tariff)
            address = self._addresses[venue]
            limiter = Limiter(
                self._folder,
                venue,
                account,
                tariff,
                now_ms=self._now_ms,
                chance=self._chance,
                address=address,
            )
            before = self._limiters.pop(f"{venue}/{account}", None)
            if before is not None:
                before.close()
            self._limiters[f"{venue}/{account}"] = limiter
        return Way(venue, known, lease, limiter, self._sleep, self._monotonic)

    def close(self) -> None:
        """Close the files of all limiters; they open again when they are needed."""
        for limiter in self._limiters.values():
            limiter.close()

    def refusals(self) -> dict[str, int]:
        """How often each venue let nothing more through."""
        found: dict[str, int] = {}
        for name, limiter in self._limiters.items():
            venue = name.partition("/")[0]
            found[venue] = found.get(venue, 0) + limiter.refusals
        return found

    def use(self) -> dict[tuple[str, str, int], float]:
        """What is used of the venues' limits, 0 to 1, by venue, scope (of accounts the highest) and window
        in ms."""
        found: dict[tuple[str, str, int], float] = {}
        for name, limiter in self._limiters.items():
            venue = name.partition("/")[0]
            for (scope, window), share in limiter.use().items():
                key = (venue, scope, window)
                found[key] = max(found.get(key, 0.0), share)
        return found

    def visible(self) -> dict[str, Any]:
        """How each venue stands: its breaker and its clock."""
        return {
            venue: {"breaker": shared.breaker.state().to_json(), "clock": shared.clock.to_json()}
            for venue, shared in sorted(self._venues.items())
            if venue != "paper"
        }


class Way:
    """See the module. One account's Traffic."""

    def __init__(
        self,
        venue: str,
        shared: Shared,
        lease: Lease,
        limiter: Limiter | None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self._venue = venue
        self._shared = shared
        self._limiter = limiter
        self._sleep = sleep
        self._monotonic = monotonic

    @property
    def is_counted(self) -> bool:
        """Whether requests are counted here, so that nobody else has to pace them."""
        return self._limiter is not None

    @asynccontextmanager
    async def turn(self, kind: Turn, name: str) -> AsyncIterator[None]:
        """Wait for the request's turn, then let it leave. Raises Withheld when it must not be sent."""
        protects = kind in ("stop", "cancel")
        if kind != "read":
            self.lease.check()
        if kind == "order" and not self._shared.clock.is_sound():
            raise Withheld(
                f"the clock of {self._venue} and this machine's are apart ({self._shared.clock.to_json()}):"
                " set this machine's clock",
                code="clock_skewed",
            )
        if not protects:
            self._refuse_while_open()
        counted_at = await self._wait_for_turn(counts_as(kind), name)
        if kind != "read":
            # The wait may have been long, and the process may have slept in it.
            self.lease.check()
        if not self._shared.breaker.admit(protects):
            raise self._down()
        mark = _asked_ms.set(self._shared.clock.now_ms())
        _refusals.set(self._shared.refusals)
        try:
            yield
        except Withheld:
            # Nothing left, so nothing was learned.
            self._shared.breaker.forget()
            if self._limiter is not None and counted_at is not None:
                self._limiter.give_back(name, counted_at)
            raise
        except BaseError as error:
            self._shared.breaker.hear(error)
            if self._limiter is not None and isinstance(error, RateLimitExceeded | DDoSProtection):
                self._limiter.refused()
                self._shared.refusals += 1
            raise
        except BaseException:
            self._shared.breaker.forget()
            raise
        else:
            self._shared.breaker.hear(None)
            if self._limiter is not None:
                self._limiter.accepted()
        finally:
            _asked_ms.reset(mark)

    def leave(self) -> None:
        """See Traffic: what the venue said meanwhile counts. lease.py looks at the lease behind this."""
        if not self._shared.clock.is_sound():
            raise Withheld(f"the clock of {self._venue} and this machine's are apart", code="clock_skewed")
        self._refuse_while_open()
        if self._shared.refusals != _refusals.get():
            raise Withheld(f"{self._venue} said that it was asked too much", code="rate_limited")
        _asked_ms.set(self._shared.clock.now_ms())

    def hear(self, status: int, headers: Mapping[str, str]) -> None:
        """Every answer of the venue."""
        if status in (418, 429):
            self._shared.refusals += 1
        self._shared.clock.hear(_asked_ms.get(), headers)
        if self._limiter is not None:
            self._limiter.hear(status, headers)

    def _refuse_while_open(self) -> None:
        if self._shared.breaker.wait > 0:
            raise self._down()

    def _down(self) -> Withheld:
        wait = self._shared.breaker.wait
        return Withheld(f"{self._venue} does not answer; it is asked in {wait:.0f} s", code="venue_down")

    async def _wait_for_turn(self, kind: Turn, name: str) -> int | None:
        if self._limiter is None:
            return None
        deadline = self._monotonic() + PATIENCE_SECONDS[kind]
        while True:
            try:
                return self._limiter.take(kind, name)
            except Wait as wait:
                seconds = wait.milliseconds / 1000
                if self._monotonic() + seconds > deadline:
                    raise Withheld(
                        f"{self._venue} takes no more requests for {seconds:.1f} s ({wait.reason})",
                        code=PUT_OFF if kind == "routine" else "rate_limited",
                    ) from None
            await self._sleep(seconds)
