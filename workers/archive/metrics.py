"""What the archive role tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.metrics import Metric, counter


def measure(counts: Mapping[str, int]) -> Iterator[Metric]:
    """The families of the role; `counts` are its own."""
    yield counter(
        "sigtrail_archive_rounds_total",
        "Rounds of sealing and archiving: done, or put off because the database or the store was away.",
        {("done",): counts.get("rounds", 0), ("postponed",): counts.get("postponed", 0)},
        ("end",),
    )
    yield counter("sigtrail_seals_total", "Seals that were added to the trail.", counts.get("seals", 0))
    yield counter("sigtrail_archived_signals_total", "Signals in archived files.", counts.get("signals", 0))
    yield counter("sigtrail_archived_bytes_total", "What archived files take.", counts.get("bytes", 0))
