"""A machine seen from outside: what its parts tell of themselves, for `/metrics` and `/healthz`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from shared.client import Connection
from shared.realtime import Realtime
from shared.role import Measured
from shared.settings import Settings
from workers.endpoint import Address, Endpoint
from workers.health import Condition, judge
from workers.metrics import Page, measure_machine
from workers.signals.feeds.feed import Feed
from workers.signals.metrics import SpoolState
from workers.signals.role import SignalsRole
from workers.status import Status


def observe(
    settings: Settings,
    status: Status,
    feed: Feed,
    roles: Iterable[Measured],
    realtime: Realtime | None,
    connections: Mapping[str, Connection],
) -> Endpoint:
    """The endpoint of a machine of these parts; `connections` are by database role."""
    away = {role: partial(_away, connection) for role, connection in connections.items()}
    roles = tuple(roles)
    page = Page(
        [
            partial(measure_machine, status, feed, realtime, away, time.monotonic),
            *(role.measure for role in roles),
        ]
    )
    spools = [role for role in roles if isinstance(role, SignalsRole)]

    def find_faults() -> list[str]:
        spool = spools[0].spool_state if spools else SpoolState()
        return judge(find_condition(status, feed, away, spool, time.monotonic()))

    return Endpoint(Address.of(settings), page.registry(), status, find_faults)


def find_condition(
    status: Status, feed: Feed, away: Mapping[str, Callable[[], float]], spool: SpoolState, now: float
) -> Condition:
    """How a machine is at this moment of the monotonic clock."""
    return Condition(
        state=status.state,
        running_for=now - status.made_at,
        steps=status.steps_under_way(now),
        silent=now - status.heard_at if feed.kind == "live" and not status.replay else None,
        away={role: seconds() for role, seconds in away.items()},
        spool_age=spool.age_seconds,
        spool_alarm=spool.alarm,
    )


def _away(connection: Connection) -> float:
    return connection.away_seconds
