"""Structured logs: one event name and its data a line, as JSON in a file or readable in a terminal."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import stamina
import structlog

from shared import redaction

# Tokens and keys have no business in a log; this catches those that slip into an error text.
SECRET = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*|sb_(?:secret|publishable)_[\w-]+|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"
)


def setup(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error), `json` lines or readable ones."""
    out = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # The libraries' own loggers say at warning what a reader has to know, and below that every request.
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Redacting("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))
    # Whoever calls reports an absent database once, not once an attempt.
    stamina.instrumentation.set_on_retry_hooks([])
    # The realtime client reports each failed attempt as an error; our wrapper reports outages once.
    logging.getLogger("realtime").setLevel(logging.CRITICAL)


def candle_key(symbol: str, interval: str, close_ms: int) -> str:
    """How log lines name a candle: what fired on it is found by this, before it has an id of its own."""
    return f"{symbol}|{interval}|{close_ms}"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace whatever looks like a token, a key or a password in an address, and every concealed secret."""
    for key, value in event.items():
        plain = value if value is None or isinstance(value, (bool, int, float)) else _text(value)
        event[key] = SECRET.sub("[redacted]", plain) if isinstance(plain, str) else plain
    return event


def _text(value: Any) -> Any:
    # An object would show what it holds only when the line is written, where nobody looks any more.
    return redaction.redact_all(value if isinstance(value, (str, dict, list, tuple)) else str(value))


class _Redacting(logging.Formatter):
    """The libraries' own lines, with tracebacks, and without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return SECRET.sub("[redacted]", redaction.redact(super().format(record)))
