"""Whether a request may leave now: one count per address and one per account, shared by a machine's
processes.

Cancels and stops have a reserve that entries and questions never use up, and entries a share that questions
leave to them. A venue that refused for too much
traffic is left alone until it said it may be asked again, or for a while drawn at random.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import structlog

from workers.trading.traffic.limiter_budgets import Scope, Tariff
from workers.trading.traffic.limiter_file import LimiterFile, Tally, boot_name, machine_ms
from workers.trading.traffic.limiter_windows import give_back, raise_to, spend, used, wait_for
from workers.trading.traffic.traffic import Turn

log = structlog.get_logger(__name__)

# Back-off after a refusal without a time: up to FIRST, doubled with each refusal in a row, up to LONGEST.
FIRST_MS, LONGEST_MS = 1_000, 60_000
# How long another process may have the lock before a stop or a cancel leaves without being counted.
LOCKED_MS = 250
ORDERS = frozenset({"create_order", "edit_order", "cancel_order", "cancel_all_orders", "create_orders"})
_SCOPES: tuple[Scope, ...] = ("address", "account")

Reason = Literal["rate_limited", "blocked", "locked"]


class Wait(Exception):
    """Not now: in so many milliseconds, for this reason."""

    def __init__(self, milliseconds: int, reason: Reason) -> None:
        super().__init__(f"{reason} for {milliseconds} ms")
        self.milliseconds = milliseconds
        self.reason = reason


class Limiter:
    """The counts of one account at one venue, and of the address that its requests come from.

    `folder` is shared by all processes of a machine, and `address` by all limiters of a venue in this one:
    where the disk takes no counts, it knows them. `now_ms` and `boot` are the machine's clock, `chance` draws
    the jitter.
    """

    def __init__(
        self,
        folder: Path,
        venue: str,
        account: str,
        tariff: Tariff,
        *,
        now_ms: Callable[[], int] = machine_ms,
        chance: random.Random | None = None,
        boot: bytes | None = None,
        address: LimiterFile | None = None,
    ) -> None:
        self._tariff = tariff
        self._now_ms = now_ms
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        boot = boot_name() if boot is None else boot
        self._budgets = {
            scope: tuple(one for one in tariff.budgets if one.scope == scope) for scope in _SCOPES
        }
        # Always locked in this order: two processes never wait for each other.
        self._files: dict[Scope, LimiterFile] = {
            "address": address or address_file(folder, venue, tariff, boot),
            "account": LimiterFile(folder / f"{venue}.{account}.limits", self._budgets["account"], boot),
        }
        self._locked_since: int | None = None
        # How often the venue let nothing more through since this was made.
        self.refusals = 0

    def take(self, kind: Turn, name: str) -> int | None:
        """Count one request that leaves now. Answers when that was (ms), None for one that leaves uncounted.
        Raises Wait when it has to wait, and nothing is counted."""
        now = self._now_ms()
        protects = kind in ("stop", "cancel")
        costs = self._tariff.costs(name, name in ORDERS)
        with ExitStack() as locks:
            tallies: dict[Scope, Tally] = {}
            for scope in _SCOPES:
                tally = locks.enter_context(self._files[scope].open(now))
                if tally is None:
                    self._wait_for_lock(now, protects)
                    return None
                tallies[scope] = tally
            self._locked_since = None
            now = max(now, *(tally.seen for tally in tallies.values()))
            blocked = max(tally.blocked_until for tally in tallies.values()) - now
            if blocked > 0:
                raise Wait(blocked, "blocked")
            wait = max(
                wait_for(
                    self._budgets[scope],
                    tallies[scope].usages,
                    [costs[budget.unit] for budget in self._budgets[scope]],
                    kind,
                    now,
                )
                for scope in _SCOPES
            )
            if wait > 0:
                raise Wait(wait, "rate_limited")
            for scope in _SCOPES:
                for budget, usage in zip(self._budgets[scope], tallies[scope].usages, strict=True):
                    spend(budget, usage, costs[budget.unit], now)
                tallies[scope].seen = max(tallies[scope].seen, now)
                tallies[scope].changed = True
        return now

    def give_back(self, name: str, counted_at: int) -> None:
        """A request that `take` counted did not leave. Where another process has the file just now, it stays
        counted."""
        now = self._now_ms()
        costs = self._tariff.costs(name, name in ORDERS)
        for scope in _SCOPES:
            with self._files[scope].open(now) as tally:
                if tally is None:
                    continue
                for budget, usage in zip(self._budgets[scope], tally.usages, strict=True):
                    give_back(budget, usage, costs[budget.unit], counted_at)
                tally.changed = True

    def hear(self, status: int, headers: Mapping[str, str]) -> None:
        """What a venue's answer tells of its own counts: what is used, and that it was too much."""
        now = self._now_ms()
        told = {
            window: int(headers[name])
            for name, window in self._tariff.used_headers.items()
            if headers.get(name, "").isdigit()
        }
        refused = status in (418, 429)
        # A count of orders in the answer says that it was about orders, which are counted by account.
        about_orders = any("order-count" in name for name in headers)
        scope: Scope = "account" if refused and status == 429 and about_orders else "address"
        if refused:
            self._strike(scope, now, read_seconds(headers.get("retry-after")))
        if told:
            self._raise(told, now)

    def refused(self) -> None:
        """The venue said "too many requests" in the body of an answer: of this account, and for how long it
        did not say."""
        self._strike("account", self._now_ms(), None)

    def accepted(self) -> None:
        """The venue did what it was asked: refusals in a row end."""
        now = self._now_ms()
        for scope in _SCOPES:
            with self._files[scope].open(now) as tally:
                if tally is not None and tally.strikes and tally.blocked_until <= now:
                    tally.strikes, tally.changed = 0, True

    def use(self) -> dict[tuple[Scope, int], float]:
        """What is used of each budget now, 0 to 1, by scope and window in ms; nothing of a file that another
        process has just now."""
        now = self._now_ms()
        found: dict[tuple[Scope, int], float] = {}
        for scope in _SCOPES:
            with self._files[scope].open(now) as tally:
                if tally is None:
                    continue
                for budget, usage in zip(self._budgets[scope], tally.usages, strict=True):
                    share = used(budget, usage, now) / budget.limit
                    key = (scope, budget.window_ms)
                    found[key] = max(found.get(key, 0.0), share)
        return found

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _wait_for_lock(self, now: int, protects: bool) -> None:
        if self._locked_since is None:
            self._locked_since = now
        if protects and now - self._locked_since >= LOCKED_MS:
            log.warning("limiter_locked", since_ms=now - self._locked_since)
            return
        raise Wait(1, "locked")

    def _strike(self, scope: Scope, now: int, seconds: float | None) -> None:
        self.refusals += 1
        with self._files[scope].open(now) as tally:
            if tally is None:
                return
            if seconds is None:
                # Full jitter: processes that were refused together do not come back together.
                most = min(LONGEST_MS, FIRST_MS * 2 ** min(tally.strikes, 16))
                pause = self._chance.randint(1, most)
            else:
                pause = int(seconds * 1000)
            tally.strikes += 1
            tally.blocked_until = max(tally.blocked_until, now + pause)
            tally.changed = True
        log.warning("venue_refused_traffic", scope=scope, pause_ms=pause)

    def _raise(self, told: Mapping[int, int], now: int) -> None:
        with self._files["address"].open(now) as tally:
            if tally is None:
                return
            for budget, usage in zip(self._budgets["address"], tally.usages, strict=True):
                if budget.window_ms in told and budget.unit == "weight":
                    raise_to(budget, usage, told[budget.window_ms], now)
                    tally.changed = True


def address_file(folder: Path, venue: str, tariff: Tariff, boot: bytes | None = None) -> LimiterFile:
    """The count of what all accounts send to a venue from this machine's address."""
    budgets = [one for one in tariff.budgets if one.scope == "address"]
    return LimiterFile(folder / f"{venue}.address.limits", budgets, boot_name() if boot is None else boot)


def read_seconds(value: str | None) -> float | None:
    """Retry-After in seconds; None without one that can be read. A date is read by nobody here: no venue
    sends one."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
