"""What a benchmark of reading asks: the questions of the console, the command line and an edge function, each
with how soon its answer must be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scripts.bench.history import Asker

Arguments = dict[str, Any]

HOT_MS = 15.0
WARM_MS = 50.0
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# What a list shows; the documents of a signal are read when somebody opens it.
COLUMNS = [
    "id", "name", "trader_id", "symbol", "interval", "side", "status", "outcome_code", "initial_price",
    "current_price", "total_pnl", "analysis_confidence", "triggered_at", "updated_at",
]  # fmt: skip


@dataclass(frozen=True)
class Question:
    """One function with arguments that differ from call to call.

    arguments: of an asker at a time, for the n-th call
    target: milliseconds that 95 of 100 answers may take through the REST interface, None to only show it
    grows: whether it answers with more rows when there are more signals, so that its growth says nothing
    begins: asks for a page that goes on from an earlier one, whose arguments these are
    """

    name: str
    function: str
    arguments: Callable[[Asker, datetime, int], Arguments]
    target: float | None
    grows: bool = False
    begins: Callable[[Asker, datetime, int], Arguments] | None = None


def _signals(**more: Any) -> Arguments:
    return {"columns": COLUMNS, **more}


def _last_page(_: Asker, now: datetime, n: int) -> Arguments:
    """A thousand rows somewhere in the last 24 hours."""
    return _signals(to_time=now - DAY * (n % 20) / 20, page_size=1000)


QUESTIONS: tuple[Question, ...] = (
    Question("last 100", "query_signals", lambda asker, now, n: _signals(), HOT_MS),
    Question(
        "trader, symbol and status, 7 days",
        "query_signals",
        lambda asker, now, n: _signals(
            traders=[asker.traders[n % len(asker.traders)]],
            symbols=[asker.symbols[n % len(asker.symbols)]],
            statuses=["closed"],
            from_time=now - WEEK,
        ),
        WARM_MS,
    ),
    Question(
        "page of 1,000 by cursor",
        "query_signals",
        _last_page,
        WARM_MS,
        grows=True,
        begins=_last_page,
    ),
    Question(
        "a trader's last 100 of 7 days",
        "query_signals",
        lambda asker, now, n: _signals(traders=[asker.traders[n % len(asker.traders)]], from_time=now - WEEK),
        WARM_MS,
    ),
    Question(
        "a trader's 7 days",
        "query_signals",
        lambda asker, now, n: _signals(
            traders=[asker.traders[n % len(asker.traders)]], from_time=now - WEEK, page_size=1000
        ),
        WARM_MS,
        grows=True,
    ),
    Question(
        "symbol and status, 24 h",
        "query_signals",
        lambda asker, now, n: _signals(
            symbols=[asker.symbols[n % len(asker.symbols)]], statuses=["closed"], from_time=now - DAY
        ),
        HOT_MS,
    ),
    Question(
        "counts by status, 24 h",
        "signal_counts_by_status",
        lambda asker, now, n: {"from_time": now - DAY, "to_time": now},
        HOT_MS,
    ),
    Question(
        "text search that finds, 7 days",
        "query_signals",
        lambda asker, now, n: _signals(
            search=("steep trend", "wins 1.12", "atr under")[n % 3], from_time=now - WEEK
        ),
        WARM_MS,
    ),
    Question(
        "text search that finds nothing, one call of it",
        "query_signals",
        lambda asker, now, n: _signals(search=f"absent{n}", from_time=now - WEEK),
        WARM_MS,
    ),
    Question(
        "one signal's history",
        "signal_history",
        lambda asker, now, n: {"signal_id": asker.signals[n % len(asker.signals)]},
        HOT_MS,
    ),
    Question(
        "one signal's whole story",
        "signal_story",
        lambda asker, now, n: {"signal_id": asker.signals[n % len(asker.signals)]},
        HOT_MS,
    ),
    Question(
        "one signal's performance",
        "signal_performance",
        lambda asker, now, n: {"signal_id": asker.signals[n % len(asker.signals)]},
        HOT_MS,
    ),
    Question(
        "a trader's performance, 7 days",
        "trader_performance",
        lambda asker, now, n: {
            "trader_id": asker.traders[n % len(asker.traders)],
            "from_time": now - WEEK,
            "to_time": now,
        },
        WARM_MS,
    ),
    Question(
        "a trader's series by hour, 24 h",
        "signal_series",
        lambda asker, now, n: {
            "from_time": now - DAY,
            "to_time": now,
            "trader_id": asker.traders[n % len(asker.traders)],
        },
        WARM_MS,
    ),
    Question(
        "performance by symbol, 7 days",
        "performance_by",
        lambda asker, now, n: {
            "dimension": "symbol",
            "from_day": (now - WEEK).date(),
            "to_day": now.date(),
        },
        WARM_MS,
    ),
    Question(
        "sources compared, 7 days",
        "source_comparison",
        lambda asker, now, n: {"from_day": (now - WEEK).date(), "to_day": now.date()},
        WARM_MS,
    ),
)
