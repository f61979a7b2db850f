"""Days in the past with signals that went through their lives, for the archive to take."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from shared.settings import Settings
from tests.database.stage import Stage, ingest, one, row
from workers.archive.export import lowest_of
from workers.archive.keys import SealKey, new_seal_key

# One chain of seals runs through the database, so all tests sign with one key. No two share a day.
_key_text = new_seal_key()
_days = (date(2024, 1, 1) + timedelta(days=number) for number in itertools.count())


class History(Stage):
    """A stage with a past: `day` is a day of this test's own, open in the database.

    `settings` name the database and a folder as the archive, `key` signs its seals.
    """

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self.folder = folder
        self.key_text = _key_text
        self.key = SealKey.from_text(_key_text)
        self.settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            supabase_url="http://127.0.0.1:1",
            SUPABASE_PUBLISHABLE_KEY=SecretStr("none"),
            supabase_db_url=SecretStr(url),
            sigtrail_archive=str(folder),
        )
        self.day = self.open_day()
        self.worker = self.machine("signal_worker")

    def open_day(self) -> date:
        """Another day of this test's own."""
        day = next(_days)
        self.operator.execute("select private.open_partition(%s)", (day,))
        return day

    def noon(self, day: date | None = None, minutes: int = 0) -> datetime:
        chosen = day or self.day
        return datetime(chosen.year, chosen.month, chosen.day, 12, tzinfo=UTC) + timedelta(minutes=minutes)

    def signals(
        self, trader: UUID, count: int, *, day: date | None = None, first: int = 0, **more: Any
    ) -> None:
        """So many signals of a trader, a minute apart, as a machine would send them."""
        rows = [
            row(trader, at=self.noon(day, number), price=f"{64000 + number}.5", **(story(number) | more))
            for number in range(first, first + count)
        ]
        answer = ingest(self.worker, rows)
        assert answer["inserted"] == count, answer

    def events(self, signal: UUID, *bodies: dict[str, Any]) -> None:
        """More events of a signal."""
        body = json.dumps([{"signal_id": str(signal)} | one for one in bodies])
        one(self.operator, "select private.append_signal_events(%s::jsonb, now())", body)

    def age(self, day: date, age: str) -> None:
        """Have the book of days say that the day was opened and last written to so long ago."""
        self.operator.execute(
            "update private.partition_days set opened_at = now() - %s::interval, "
            "last_write_at = now() - %s::interval where day = %s",
            (age, age, day),
        )

    def remove(self, day: date) -> None:
        """Take a whole day out of the database, as a compaction does with what was never traded."""
        with self.operator.transaction():
            self.operator.execute("set local session_replication_role = replica")
            for table, column in (
                ("signal_monitoring_snapshots", "signal_id"),
                ("signal_events", "signal_id"),
                ("signals", "id"),
            ):
                self.operator.execute(
                    f"delete from public.{table} where {column} >= %s and {column} < %s",
                    (lowest_of(day), lowest_of(day + timedelta(days=1))),
                )

    def ids(self, day: date | None = None) -> list[UUID]:
        """The signals of the day in order."""
        return [found for (found,) in self.rows("signals", "id", day)]

    def rows(self, table: str, columns: str = "*", day: date | None = None) -> Sequence[tuple[Any, ...]]:
        """What the database holds of a day, in order."""
        chosen = day or self.day
        id_column = "id" if table == "signals" else "signal_id"
        order = id_column if table == "signals" else "signal_id, number"
        return self.operator.execute(
            f"select {columns} from public.{table} where {id_column} >= %s "
            f"and {id_column} < %s order by {order}",
            (lowest_of(chosen), lowest_of(chosen + timedelta(days=1))),
        ).fetchall()


def story(number: int) -> dict[str, Any]:
    """What a trader saw, as the signals role writes it."""
    rsi = 14.406671359787634 + number / 7
    price = f"{64000 + number}.5"
    return {
        "matched_conditions": [{"text": "RSI(14) < 30", "values": {"RSI(14)": rsi}}],
        "original_signal": {
            "candle": {
                "open": "64003.1",
                "high": "64100",
                "low": "63990.25",
                "close": price,
                "volume": "12.75",
            },
            "condition": "RSI(14) < 30",
            "indicators": {"RSI(14)": rsi},
        },
    }
