"""What a machine itself tells Prometheus, and all its parts together as one page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from shared.metrics import Measure, Metric, counter, gauge
from shared.realtime import Realtime
from workers.signals.feeds.feed import Feed
from workers.signals.feeds.metrics import measure_feed
from workers.status import Status


class Page(Collector):
    """The families of a machine's parts, made when the page is asked for."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self._measures = tuple(measures)

    def collect(self) -> Iterable[Metric]:
        for measure in self._measures:
            yield from measure()

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for its names ahead of time: a role may not have started yet."""
        return ()

    def registry(self) -> CollectorRegistry:
        """A registry with this page alone: two machines of one process never mix."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry


def measure_python() -> Iterator[Metric]:
    """What the interpreter itself holds: where resident memory grows and this does not, Python let it go."""
    yield gauge(
        "sigtrail_python_blocks",
        "Blocks of memory that Python's allocator has given out.",
        sys.getallocatedblocks(),
    )


def measure_machine(
    status: Status,
    feed: Feed,
    realtime: Realtime | None,
    away: Mapping[str, Callable[[], float]],
    now: Callable[[], float],
) -> Iterator[Metric]:
    """The families of the machine: `away` answers for how many seconds the database has not answered each of
    its roles, `now` is the monotonic clock of `status`."""
    yield gauge(
        "sigtrail_machine_info",
        "1, with what the machine is.",
        {(status.machine_id, status.version, "replay" if status.replay else feed.kind): 1},
        ("machine", "version", "feed"),
    )
    states = ("starting", "running", "draining", "stopped")
    yield gauge(
        "sigtrail_machine_state",
        "1 for the state that the machine is in.",
        {(one,): one == status.state for one in states},
        ("state",),
    )
    yield gauge(
        "sigtrail_token_seconds",
        "For how long the tokens last that this machine was given.",
        {(role,): left for role, left in status.tokens().items()},
        ("role",),
    )
    yield counter("sigtrail_candles_total", "Closed candles that the feed delivered.", status.candles)
    yield from measure_feed(feed, now() - status.heard_at)
    yield counter("sigtrail_steps_total", "Steps that the roles took.", _by_role(status.steps), ("role",))
    yield counter(
        "sigtrail_done_total", "Things that the roles' steps did.", _by_role(status.done), ("role",)
    )
    yield counter(
        "sigtrail_waits_total",
        "Times that a role waited for an absent database.",
        _by_role(status.waits),
        ("role",),
    )
    yield gauge(
        "sigtrail_step_running_seconds",
        "How long the step under way has taken, 0 between steps.",
        _by_role(status.steps_under_way(now())),
        ("role",),
    )
    yield from status.step_seconds.collect()
    yield counter("sigtrail_errors_total", "Errors that the machine survived.", status.error_count)
    yield gauge(
        "sigtrail_database_away_seconds",
        "How long the database has not answered, 0 while it does, by database role.",
        {(role,): seconds() for role, seconds in away.items()},
        ("role",),
    )
    if realtime is not None:
        yield gauge(
            "sigtrail_realtime_connected", "1 while every topic is joined.", realtime.subscribed.is_set()
        )
        yield counter("sigtrail_realtime_lives_total", "Connections that joined every topic.", realtime.lives)
        yield counter("sigtrail_realtime_failures_total", "Failures of Realtime.", realtime.failures)


def _by_role(counts: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(role,): number for role, number in counts.items()}
