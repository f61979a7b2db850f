"""The database at the boundary of the writer: stores rows by id, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import NotSent, OutcomeUnknown, Refused

Row = Mapping[str, Any]


class FakeIngest:
    """Stands in for `Connection.call`.

    `reject` gives (code, message) for a row that is not taken, `poison` says for which row the whole call is
    refused, `fails` with what error the database fails over a call with this row. `away` is how many calls
    find no database, `lost` how many are done without an answer arriving.
    """

    def __init__(self) -> None:
        self.stored: dict[str, Row] = {}
        self.batches: list[list[str]] = []
        self.requests: list[str] = []
        self.calls: list[str] = []
        self.reject: Callable[[Row], tuple[str, str] | None] = lambda _: None
        self.poison: Callable[[Row], bool] = lambda _: False
        self.fails: Callable[[Row], Exception | None] = lambda _: None
        self.away = 0
        self.lost = 0
        self.held_back = False
        self.flushed = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        self.calls.append(name)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if self.away > 0:
            self.away -= 1
            raise NotSent(f"{name}: the database is away")
        if name == "flush_broadcasts":
            self.flushed += 1
            return 1
        assert name == "ingest_signals"
        return self._ingest(params["signals"], params["request_id"])

    def _ingest(self, rows: list[Row], request: str) -> dict[str, Any]:
        self.batches.append([row["id"] for row in rows])
        self.requests.append(request)
        for row in rows:
            if self.poison(row):
                raise Refused("ingest_signals: invalid input syntax", code="22P02")
            if (failure := self.fails(row)) is not None:
                raise failure
        rejected, inserted, duplicates = [], 0, 0
        for index, row in enumerate(rows):
            reason = self.reject(row)
            if reason is not None:
                rejected.append({"index": index, "code": reason[0], "message": reason[1]})
            elif row["id"] in self.stored:
                duplicates += 1
            else:
                self.stored[row["id"]] = row
                inserted += 1
        if self.lost > 0:
            self.lost -= 1
            raise OutcomeUnknown("ingest_signals: no answer came back")
        return {
            "inserted": inserted,
            "duplicates": duplicates,
            "rejected": rejected,
            "held_back": self.held_back,
        }
