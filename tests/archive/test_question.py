"""SQL over warm and cold days together: everything of the user once, nothing of anyone else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.errors import InputError, Refused
from tests.archive.history import History
from workers.archive.cache import Cache
from workers.archive.connection import Connection
from workers.archive.day import archive_day, folder_of
from workers.archive.question import Limits, ask
from workers.archive.reading import Scope
from workers.archive.seals import seal
from workers.archive.store import Store

Rows = list[dict[str, Any]]
Ask = Callable[..., Awaitable[Rows]]


@pytest.fixture
def question(history: History, store: Store, tmp_path: Path) -> Ask:
    """Ask as a user: `await question(user, sql, …scope)` answers rows."""
    cache = Cache(tmp_path / "cache")

    async def put(user: UUID, sql: str, limits: Limits | None = None, **scope: Any) -> Rows:
        table = await ask(history.settings, store, cache, Scope(user, **scope), sql, limits)
        return list(table.to_pylist())

    return put


@pytest.fixture
def archive(history: History, connection: Connection, store: Store) -> Callable[..., Awaitable[None]]:
    """Seal and archive days."""

    async def take(*days: Any) -> None:
        for day in days or [history.day]:
            await seal(connection, store, history.key, day=day)
            assert await archive_day(history.settings, connection, store, day) is not None

    return take


async def test_warm_and_cold_days_answer_together(history: History, archive: Any, question: Ask) -> None:
    user, stranger = history.user(), history.user()
    trader, other = history.trader(user), history.trader(user)
    warm = history.open_day()
    history.signals(trader, 5)
    history.signals(other, 2)
    history.signals(history.trader(stranger), 3)
    history.signals(trader, 4, day=warm)
    before = await question(user, "select * from signals order by id")
    await archive()
    history.remove(history.day)

    assert await question(user, "select * from signals order by id") == before
    assert await question(user, "select count(*) as n from signals") == [{"n": 11}]
    assert await question(user, "select count(*) as n from events where number = 1") == [{"n": 11}]
    assert await question(user, "select count(*) as n from signals", trader=other) == [{"n": 2}]
    assert await question(user, "select count(*) as n from signals", since=history.noon(warm)) == [{"n": 4}]
    assert await question(user, "select count(*) as n from signals", until=history.noon(warm)) == [{"n": 7}]
    assert await question(stranger, "select count(*) as n from signals") == [{"n": 3}]
    joined = (
        "select count(*) as n from signals s join events e on e.signal_id = s.id and e.to_status = s.status"
    )
    assert await question(user, joined) == [{"n": 11}]


async def test_values_come_out_as_they_went_in(history: History, archive: Any, question: Ask) -> None:
    user = history.user()
    trader = history.trader(user)
    history.signals(trader, 3, tags=["a", 'ü, "b"', ""])
    (first, *_) = history.ids()
    history.events(
        first, {"event_type": "order_filled", "event_data": {"price": "1.50", "deep": [{"a": None}]}}
    )
    asked = (
        "select id, triggered_at, initial_price, original_signal ->> '$.candle.low' as low, "
        "tags ->> 1 as tag, matched_conditions from signals order by id"
    )
    events = (
        "select number, event_type, event_data ->> 'price' as price, trader_id from events "
        "order by signal_id, number"
    )
    before = [await question(user, asked), await question(user, events)]
    await archive()
    history.remove(history.day)
    assert [await question(user, asked), await question(user, events)] == before
    assert before[0][0]["low"] == "63990.25"
    assert before[0][0]["tag"] == 'ü, "b"'
    assert before[1][1]["price"] == "1.50"


async def test_a_signal_that_is_in_both_places_is_there_once(
    history: History, archive: Any, question: Ask
) -> None:
    user = history.user()
    history.signals(history.trader(user), 3)
    await archive()
    first, *_ = history.ids()
    # It goes on after the archive took it: the row of Postgres is the newer one.
    history.operator.execute("update public.signals set tags = '{late}' where id = %s", (first,))
    history.events(first, {"event_type": "order_created"})
    assert await question(user, "select count(*) as n, count(tags) as tagged from signals") == [
        {"n": 3, "tagged": 1}
    ]
    assert await question(user, "select count(*) as n, sum(number) as numbers from events") == [
        {"n": 4, "numbers": 5}
    ]
    await archive()
    history.remove(history.day)
    assert await question(user, "select count(*) as n, count(tags) as tagged from signals") == [
        {"n": 3, "tagged": 1}
    ]
    assert await question(user, "select count(*) as n, sum(number) as numbers from events") == [
        {"n": 4, "numbers": 5}
    ]


async def test_the_newest_signals_of_a_trader(history: History, archive: Any, question: Ask) -> None:
    user = history.user()
    trader, other = history.trader(user), history.trader(user)
    days = [history.day, *(history.open_day() for _ in range(9))]
    for day in days:
        history.signals(trader, 3, day=day)
        history.signals(other, 3, day=day)
    asked = "select id, original_signal from signals order by triggered_at desc, id desc limit 5"
    before = await question(user, asked, trader=trader)
    await archive(*days[:-1])
    for day in days[:-1]:
        history.remove(day)
    assert len(before) == 5
    assert await question(user, asked, trader=trader, newest=5) == before
    assert len(await question(user, "select id from signals", trader=trader, newest=1000)) == 30


HOSTILE = [
    "select * from read_parquet('{file}')",
    "select * from '{file}'",
    "select * from read_text('/etc/hostname')",
    "select * from read_csv('/etc/passwd')",
    "select * from glob('/*')",
    "copy signals to '{folder}/stolen.csv'",
    "attach '{folder}/other.db' as other",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "select 1; select 2",
    "pragma database_list",
    "create table mine as select 1",
    "delete from signals",
    "select * from sqlite_scan('{folder}/x', 'y')",
    "call pragma_version()",
    "select * from arriving",
    "select * from history",
    "",
    "not sql at all",
]


@pytest.mark.parametrize("sql", HOSTILE)
async def test_hostile_sql_reaches_nothing(
    sql: str, history: History, archive: Any, question: Ask, tmp_path: Path
) -> None:
    user, victim = history.user(), history.user()
    history.signals(history.trader(user), 1)
    history.signals(history.trader(victim), 1)
    await archive()
    file = next((history.folder / folder_of(history.day)).rglob("signals-*.parquet"))
    with pytest.raises((InputError, Refused)):
        await question(user, sql.format(file=file, folder=tmp_path))
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "select distinct user_id from signals",
        "select user_id from main.signals union select user_id from memory.main.events",
        "select distinct user_id from (from signals union all by name from events)",
        "with signals as (select * from signals) select distinct user_id from signals",
        "from signals select distinct user_id where user_id is not null or true",
    ],
)
async def test_every_way_of_asking_shows_ones_own_rows(
    sql: str, history: History, archive: Any, question: Ask
) -> None:
    user = history.user()
    history.signals(history.trader(user), 2)
    history.signals(history.trader(history.user()), 2)
    warm = history.open_day()
    history.signals(history.trader(history.user()), 2, day=warm)
    await archive()
    history.remove(history.day)
    assert [UUID(str(row["user_id"])) for row in await question(user, sql)] == [user]


async def test_a_question_is_bounded(history: History, question: Ask) -> None:
    user = history.user()
    endless = "select count(*) from range(100000000) a, range(100000000) b where a.range + b.range = 7"
    with pytest.raises(Refused, match="took longer than"):
        await question(user, endless, limits=Limits(seconds=0.2))
    # However short its statements are: an interrupt between two of them ends neither.
    with pytest.raises(Refused, match="took longer than"):
        await question(user, "select 1", limits=Limits(seconds=0))
    with pytest.raises(Refused, match="over 10 rows"):
        await question(user, "select * from range(1000)", limits=Limits(rows=10))
    with pytest.raises(Refused, match="memory"):
        await question(
            user,
            "select list(range) from range(50000000)",
            limits=Limits(memory="40MB"),
        )


async def test_a_file_that_was_changed_is_not_answered_from(
    history: History, archive: Any, question: Ask
) -> None:
    user = history.user()
    history.signals(history.trader(user), 2)
    await archive()
    file = next((history.folder / folder_of(history.day)).rglob("signals-*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Exception, match="is not the file that was archived"):
        await question(user, "select * from signals")
