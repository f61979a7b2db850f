"""What the signals role tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.metrics import Histogram, Metric, counter, gauge, histogram

REJECTED = "rejected_"
ALARMS = ("filling", "full", "disk")


@dataclass(slots=True)
class Timings:
    """How long the work of the role takes."""

    evaluation: Histogram = field(
        default_factory=lambda: histogram(
            "sigtrail_evaluation_seconds",
            "The candles of a close that came together against every condition of their symbols.",
            (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        )
    )
    batch: Histogram = field(
        default_factory=lambda: histogram(
            "sigtrail_ingest_batch_seconds",
            "A batch of signals from its sending to the database's answer.",
            (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0),
        )
    )
    rows: Histogram = field(
        default_factory=lambda: histogram(
            "sigtrail_ingest_batch_rows", "Signals in a batch.", (1, 5, 10, 50, 100, 250, 500, 1000)
        )
    )


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How the spool stands: rows and bytes that wait, its bound, for how many seconds the oldest row has
    waited, and its alarm: filling, full, disk or nothing."""

    rows: int = 0
    size_bytes: int = 0
    limit_bytes: int = 1
    age_seconds: float = 0.0
    alarm: str = ""


def measure(counts: Mapping[str, int], spool: SpoolState, timings: Timings) -> Iterator[Metric]:
    """The families of the role; `counts` are its own."""

    def count(name: str) -> int:
        return counts.get(name, 0)

    yield counter(
        "sigtrail_candles_evaluated_total",
        "Candles that were tested against the conditions, aggregated ones too.",
        count("evaluated"),
    )
    yield counter("sigtrail_signals_fired_total", "Signals that this machine made.", count("fired"))
    yield counter(
        "sigtrail_signals_stored_total",
        "Signals that the database answered for: new to it, or known already.",
        {("inserted",): count("inserted"), ("duplicate",): count("duplicates")},
        ("as",),
    )
    yield counter(
        "sigtrail_signals_rejected_total",
        "Signals that the database did not take, by its code; they are in the dead letters.",
        {
            (name.removeprefix(REJECTED),): number
            for name, number in counts.items()
            if name.startswith(REJECTED)
        },
        ("code",),
    )
    yield counter("sigtrail_signals_refused_total", "Signals that a full spool refused.", count("refused"))
    yield counter("sigtrail_ingest_retries_total", "Batches that had to be sent again.", count("retries"))
    yield gauge(
        "sigtrail_ingest_breaker_open",
        "1 while the database is only asked with a few rows whether it is back.",
        count("breaker_open"),
    )
    yield counter(
        "sigtrail_ingest_breaker_opened_total", "Times that the breaker opened.", count("breaker_opened")
    )
    yield gauge("sigtrail_traders", "Traders that are evaluated.", count("traders"))
    yield gauge("sigtrail_traders_unfit", "Traders that cannot be evaluated.", count("unfit"))
    yield gauge("sigtrail_conditions", "Conditions over all series, shared ones once.", count("rules"))
    yield gauge("sigtrail_spool_rows", "Signals on the disk without an answer yet.", spool.rows)
    yield gauge("sigtrail_spool_backlog_rows", "Those of them that drain beside new ones.", count("backlog"))
    yield counter(
        "sigtrail_spool_rows_gone_bad_total", "Spooled signals that the disk lost.", count("gone_bad")
    )
    yield gauge("sigtrail_spool_bytes", "What the spool takes on the disk.", spool.size_bytes)
    yield gauge("sigtrail_spool_limit_bytes", "The bound of the spool.", spool.limit_bytes)
    yield gauge(
        "sigtrail_spool_oldest_age_seconds", "How long the oldest signal has waited.", spool.age_seconds
    )
    yield gauge(
        "sigtrail_spool_alarm",
        "1 for what is wrong with the spool: it fills, it turned signals away, or the disk refuses.",
        {(one,): one == spool.alarm for one in ALARMS},
        ("alarm",),
    )
    for timing in (timings.evaluation, timings.batch, timings.rows):
        yield from timing.collect()
