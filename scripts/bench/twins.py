"""The floor of the way in: COPY of the rows that ingest_signals writes, into tables like its own but without
the triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg

from scripts.bench.signals import Cast, Row
from scripts.bench.sql import query
from shared.identity import from_ms


def make_twins(connection: psycopg.Connection[Any]) -> None:
    """Make the tables that COPY fills."""
    connection.execute(query("make_twins"))


def write_lines(rows: Sequence[Row], cast: Cast, owners: Mapping[str, str]) -> tuple[bytes, bytes]:
    """A batch as COPY reads it: its signals and its creation events, ready before anything is measured."""
    signals, events = [], []
    for row in rows:
        owner, at = owners[row["trader_id"]], from_ms(row["triggered_at"]).isoformat()
        base = row["symbol"].removesuffix("USDT")
        signals.append(
            "\t".join(
                (
                    row["id"], owner, row["trader_id"], str(cast.machine_key), at, at, "cloud", row["side"],
                    row["symbol"], f"{base}/USDT:USDT", row["interval"], row["price"], row["price"],
                    _json(row["matched_conditions"]), _json(row["original_signal"]),
                )
            )
        )  # fmt: skip
        events.append("\t".join((row["id"], owner, at, "1", "signal_created", "ingest", "new", cast.machine)))
    return ("\n".join(signals) + "\n").encode(), ("\n".join(events) + "\n").encode()


def copy_batch(connection: psycopg.Connection[Any], lines: tuple[bytes, bytes]) -> None:
    """Copy one batch, signals and events, in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        for name, content in zip(("copy_signals", "copy_events"), lines, strict=True):
            with cursor.copy(query(name)) as copy:
                copy.write(content)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode().replace("\\", "\\\\")
