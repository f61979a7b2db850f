"""What the monitoring role tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.metrics import Metric, counter, gauge

ACTIONS = ("ready", "exit", "stop_monitoring", "lost", "refused", "given_back")


def measure(counts: Mapping[str, int], watching: int) -> Iterator[Metric]:
    """The families of the role; `counts` are its own, `watching` is how many signals it holds."""
    yield counter(
        "sigtrail_monitoring_claims_total",
        "Signals that were claimed for monitoring.",
        counts.get("claimed", 0),
    )
    yield counter("sigtrail_snapshots_total", "Snapshots that were recorded.", counts.get("snapshots", 0))
    yield counter(
        "sigtrail_monitoring_ends_total",
        "How the monitoring of signals ended here.",
        {(action,): counts.get(action, 0) for action in ACTIONS},
        ("end",),
    )
    yield gauge("sigtrail_monitored_signals", "Signals that this machine watches now.", watching)
