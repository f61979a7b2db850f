"""What a feed tells Prometheus of its sockets, and of the candles that they left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.metrics import Metric, counter, gauge
from workers.signals.feeds.feed import Feed
from workers.signals.feeds.live import LiveFeed


def measure_feed(feed: Feed, silent_seconds: float) -> Iterator[Metric]:
    """The families of a feed; those of sockets stay at zero where it has none. `silent_seconds` is how long
    no candle has come."""
    live = feed if isinstance(feed, LiveFeed) else None
    counts: Mapping[str, int] = {} if live is None else live.counts

    def count(name: str) -> int:
        return counts.get(name, 0)

    yield gauge("sigtrail_feed_silent_seconds", "How long no candle has come.", silent_seconds)
    yield gauge("sigtrail_feed_symbols", "Symbols that the feed delivers.", len(feed.symbols))
    yield gauge(
        "sigtrail_feed_symbols_gone",
        "Symbols that traders watch and the venue does not trade.",
        0 if live is None else len(live.gone),
    )
    connected, away = (0, 0) if live is None else live.sockets
    yield gauge(
        "sigtrail_feed_sockets",
        "Sockets that candles come over.",
        {("connected",): connected, ("away",): away},
        ("state",),
    )
    yield counter(
        "sigtrail_feed_reconnects_total", "Times that the feed's stream was lost.", count("reconnects")
    )
    yield counter(
        "sigtrail_feed_silences_total",
        "Sockets that were dropped because they said nothing.",
        count("silences"),
    )
    yield counter(
        "sigtrail_feed_resubscriptions_total",
        "Sockets that were dropped because they left out one symbol.",
        count("resubscriptions"),
    )
    yield counter(
        "sigtrail_feed_refusals_total", "Subscriptions that the venue did not serve.", count("refusals")
    )
    incomplete = count("incomplete_repairs")
    yield counter(
        "sigtrail_feed_repairs_total",
        "Questions over REST for what a stream left out, by what came of them.",
        {
            ("complete",): count("repairs") - incomplete,
            ("incomplete",): incomplete,
            ("failed",): count("failed_repairs"),
        },
        ("end",),
    )
    yield counter(
        "sigtrail_candles_refused_total",
        "Candles that cannot be true, by reason.",
        {(reason,): number for reason, number in feed.gate.refused.items()},
        ("reason",),
    )
    yield counter("sigtrail_candles_missing_total", "Candles that were in no source.", feed.gate.missing)
    yield counter(
        "sigtrail_candles_healed_total",
        "Missing candles that the venue told of after all.",
        count("healed"),
    )
    yield counter(
        "sigtrail_candles_corrected_total",
        "Candles that the venue told otherwise after it had closed them.",
        count("corrections"),
    )
