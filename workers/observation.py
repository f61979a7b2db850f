"""A machine seen from outside: what its parts tell of themselves, for `/metrics` and `/healthz`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import ProcessCollector

from shared.client import Connection
from shared.machine_tokens import warn_of
from shared.metrics import Measure
from shared.realtime import Realtime
from shared.role import Call, Measured
from shared.settings import Settings
from workers.alerts.channels import open_channels
from workers.alerts.deliverer import Deliverer
from workers.alerts.watch import Signs, Watch
from workers.endpoint import Address, Endpoint
from workers.health import Condition, judge
from workers.life import Companion
from workers.metrics import Page, measure_machine, measure_python
from workers.signals.feeds.feed import Feed
from workers.signals.metrics import SpoolState
from workers.signals.role import SignalsRole
from workers.status import Status
from workers.trading.role import TradingRole


@dataclass(frozen=True, slots=True)
class Observation:
    """How a machine is seen from outside, and what it says by itself."""

    endpoint: Endpoint
    companions: tuple[Companion, ...]


def observe(
    settings: Settings,
    status: Status,
    feed: Feed,
    roles: Iterable[Measured],
    realtime: Realtime | None,
    connections: Mapping[str, Connection],
    call: Call,
) -> Observation:
    """The outside of a machine of these parts; `connections` are by database role, `call` is one of them.

    Raises ConfigurationError for a channel of alerts of which only a part is set.
    """
    away = {role: partial(_away, connection) for role, connection in connections.items()}
    roles, channels = tuple(roles), open_channels(settings)
    spools = [role for role in roles if isinstance(role, SignalsRole)]
    gates = [role.gates for role in roles if isinstance(role, TradingRole)]

    def find() -> Condition:
        spool = spools[0].spool_state if spools else SpoolState()
        return find_condition(status, feed, away, spool, time.monotonic())

    def read_signs() -> Signs:
        last = status.errors[-1] if status.errors else ""
        return Signs.of(find(), status.error_count, last, gates[0].refusals() if gates else {})

    measures: list[Measure] = [
        ProcessCollector(registry=None).collect,
        measure_python,
        partial(measure_machine, status, feed, realtime, away, time.monotonic),
        *(role.measure for role in roles),
    ]
    companions: list[Companion] = []
    if channels:
        deliverer = Deliverer(call, channels)
        measures.append(deliverer.measure)
        companions.append(deliverer)
    if not status.replay:
        companions.append(Watch(call, status.machine_id, read_signs))
    endpoint = Endpoint(
        Address.of(settings),
        Page(measures).registry(),
        status,
        lambda: judge(find()),
        lambda: warn_of(status.tokens()),
    )
    return Observation(endpoint, tuple(companions))


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
        tokens=status.tokens(),
    )


def _away(connection: Connection) -> float:
    return connection.away_seconds
