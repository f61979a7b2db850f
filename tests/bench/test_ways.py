"""A machine of a benchmark sends each batch until it is answered, and keeps count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from scripts.bench import ways
from scripts.bench.ways import Machine
from shared.client import Connection
from shared.errors import NotSent


class Database:
    """Fails as often as a test says, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls: list[Mapping[str, Any]] = []

    async def call(self, name: str, params: Mapping[str, Any]) -> Any:
        self.calls.append(params)
        if len(self.calls) <= self.failures:
            raise NotSent("away")
        rejected = [{"index": 0, "code": "bad_row", "message": "no"}]
        return {"inserted": 2, "duplicates": 1, "rejected": rejected, "held_back": False}


def machine(database: Database) -> Machine:
    return Machine(cast(Connection, database))


async def test_a_batch_is_sent_again_as_the_same_request() -> None:
    database = Database(failures=2)
    one = machine(database)
    await one.send([{"id": "a"}])
    assert one.answers == {"inserted": 2, "duplicates": 1, "rejected": 1, "retries": 2}
    assert len({params["request_id"] for params in database.calls}) == 1
    await one.send([{"id": "b"}])
    assert one.answers["inserted"] == 4
    assert len({params["request_id"] for params in database.calls}) == 2


async def test_a_database_that_stays_away_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "GIVE_UP_SECONDS", -1.0)
    with pytest.raises(NotSent, match="away"):
        await machine(Database(failures=10)).send([{"id": "a"}])
