"""What the parts of a machine tell Prometheus: families of samples, made at the moment somebody asks.

Each part keeps its counts anyway; a family is read off them, so that counting costs nothing and nothing is
counted twice. Labels are of small closed sets (roles, venues, reasons): never a trader, an account, a symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from prometheus_client import Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["Histogram", "Measure", "Metric", "counter", "gauge", "histogram", "observe"]

# Answers the families of one part of a machine.
Measure = Callable[[], Iterable[Metric]]
# Prometheus knows floats alone: money becomes one here, on its way out, and nowhere before.
Number = Decimal | float
Samples = Mapping[Any, Number] | Number


def counter(name: str, text: str, samples: Samples, labels: tuple[str, ...] = ()) -> Metric:
    """A family of numbers that only grow: `samples` by the values of `labels`, or one number without any."""
    return _fill(CounterMetricFamily(name, text, labels=labels), samples)


def gauge(name: str, text: str, samples: Samples, labels: tuple[str, ...] = ()) -> Metric:
    """A family of numbers that come and go."""
    return _fill(GaugeMetricFamily(name, text, labels=labels), samples)


def histogram(name: str, text: str, buckets: Iterable[float]) -> Histogram:
    """A histogram that belongs to whoever made it, and to no registry of the process."""
    return Histogram(name, text, buckets=tuple(buckets), registry=None)


def observe(seen: Histogram, number: Number) -> None:
    """Count a number where it belongs."""
    seen.observe(float(number))


def _fill(family: CounterMetricFamily | GaugeMetricFamily, samples: Samples) -> Metric:
    if isinstance(samples, Mapping):
        for values, number in sorted(samples.items()):
            family.add_metric(values, float(number))
    else:
        family.add_metric((), float(samples))
    return family
