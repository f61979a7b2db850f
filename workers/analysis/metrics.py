"""What the analysis role tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.metrics import Metric, counter

ENDS = ("approved", "rejected", "failed", "expired", "deferred", "refused", "given_back", "lost")


def measure(counts: Mapping[str, int]) -> Iterator[Metric]:
    """The families of the role; `counts` are its own."""
    yield counter(
        "sigtrail_analysis_claims_total", "Signals that were claimed for analysis.", counts.get("claimed", 0)
    )
    yield counter(
        "sigtrail_analyses_total",
        "What became of claimed signals.",
        {(end,): counts.get(end, 0) for end in ENDS},
        ("end",),
    )
