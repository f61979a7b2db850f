"""What the analysis role tells Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from shared.metrics import Histogram, Metric, counter, histogram

SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0)
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


class Spending:
    """What a model was asked for, and what came back: `note` each attempt as it ended."""

    def __init__(self) -> None:
        self._ends: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._cost = Decimal(0)
        self._seconds: Histogram = histogram(
            "sigtrail_model_seconds", "How long a model took to answer, or to fail.", SECONDS
        )

    def note(self, result: Mapping[str, Any]) -> None:
        """Count an attempt by what `end_model_call` is told of it."""
        self._ends["answered" if "answer" in result else "failed"] += 1
        for kind in ("prompt", "completion"):
            self._tokens[kind] += int(result.get(f"{kind}_tokens", 0))
        self._cost += Decimal(result["cost"])
        self._seconds.observe(float(result["latency_ms"]) / 1000)

    def measure(self) -> Iterator[Metric]:
        """The families."""
        ends = {(end,): self._ends[end] for end in ("answered", "failed")}
        yield counter("sigtrail_model_calls_total", "Questions to a language model.", ends, ("end",))
        kinds = {(kind,): self._tokens[kind] for kind in ("prompt", "completion")}
        yield counter("sigtrail_model_tokens_total", "Tokens asked and answered.", kinds, ("kind",))
        yield counter("sigtrail_model_cost_total", "What that cost, or can have cost at most.", self._cost)
        yield from self._seconds.collect()
