"""Pages of signals: whole, one's own, and never out of date for long."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.functions.people import Person
from tests.stacks import Stack
from tests.waiting import until


def symbols(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["symbol"] for row in answer.json()["rows"]]


async def test_pages_hold_everything_once(ann: Person) -> None:
    await ann.ingest([ann.row(f"S{n}", age=60 + n) for n in range(25)])
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await ann.query(limit=10, columns="symbol,initial_price", **cursor)
        found += symbols(answer)
        if answer.json()["next_cursor"] is None:
            break
        cursor = {"cursor": answer.json()["next_cursor"]}
    assert found == [f"S{n}" for n in range(25)]
    assert answer.json()["rows"][0]["initial_price"] == "64000.5"


async def test_filters_are_joined(ann: Person) -> None:
    await ann.ingest([ann.row("BTCUSDT", tags=["a,b"]), ann.row("ETHUSDT"), ann.row("SOLUSDT")])
    assert sorted(symbols(await ann.query(symbol="BTCUSDT,ETHUSDT", status="new"))) == ["BTCUSDT", "ETHUSDT"]
    assert symbols(await ann.query(tag="a,b")) == ["BTCUSDT"]
    assert symbols(await ann.query(symbol="BTCUSDT", status="closed")) == []
    assert symbols(await ann.query(to="2025-01-01")) == []


async def test_wrong_parameters_are_named(ann: Person) -> None:
    answer = await ann.query(limit="0", traders="x", status="gone")
    assert answer.status_code == 400
    assert sorted(one["field"] for one in answer.json()["fields"]) == ["limit", "status", "traders"]
    assert (await ann.query(columns="password")).status_code == 400
    assert (await ann.query(cursor="x" * 56)).status_code == 400


async def test_a_page_is_read_once_and_dropped_when_a_signal_comes(ann: Person) -> None:
    await ann.ingest([ann.row("ONE")])

    async def hit() -> bool:
        # A machine under load may take longer than a page lives.
        return (await ann.query()).headers["x-cache"] == "hit"

    await until(hit)
    await ann.ingest([ann.row("TWO", age=30)])
    after = await ann.query()
    assert after.headers["x-cache"] == "miss"
    assert symbols(after) == ["TWO", "ONE"]


async def test_a_page_is_dropped_when_a_status_changes(
    ann: Person, operator: psycopg.Connection[Any]
) -> None:
    await ann.ingest([ann.row("ONE")])
    await ann.query()
    operator.execute("update public.signals set status = 'analyzing' where user_id = %s", (ann.id,))
    assert (await ann.query()).json()["rows"][0]["status"] == "analyzing"


async def test_what_changes_otherwise_shows_soon_and_at_once_when_asked(
    ann: Person, operator: psycopg.Connection[Any]
) -> None:
    await ann.ingest([ann.row("ONE")])
    await ann.query()
    operator.execute("update public.signals set tags = '{seen}' where user_id = %s", (ann.id,))
    fresh = await ann.query(headers={"cache-control": "no-cache"})
    assert (fresh.headers["x-cache"], fresh.json()["rows"][0]["tags"]) == ("miss", ["seen"])
    operator.execute("update public.signals set tags = '{again}' where user_id = %s", (ann.id,))

    async def shows() -> bool:
        return bool((await ann.query()).json()["rows"][0]["tags"] == ["again"])

    await until(shows, timeout=10)


async def test_nobody_gets_the_page_of_another(ann: Person, bob: Person, stack: Stack) -> None:
    await ann.ingest([ann.row("ANNS")])
    await bob.ingest([bob.row("BOBS")])
    for _ in range(3):
        assert symbols(await ann.query(limit=7)) == ["ANNS"]
        assert symbols(await bob.query(limit=7)) == ["BOBS"]
    assert symbols(await bob.query(trader=ann.trader)) == []
    for token in (stack.token("authenticated", ann.id, exp=1_700_000_000), stack.token("anon")):
        answer = await ann.query(headers={"authorization": f"Bearer {token}"}, limit=7)
        assert answer.status_code == 401, answer.text


async def test_two_users_without_a_recent_signal_have_pages_of_their_own(
    ann: Person, bob: Person, operator: psycopg.Connection[Any]
) -> None:
    # Nothing of the last day tells their versions apart: only whose page it is.
    operator.execute(
        "select private.open_partitions(d, d) from (select (now() - '60 hours'::interval)::date d) o"
    )
    for person, symbol in ((ann, "ANNS"), (bob, "BOBS")):
        assert (await person.ingest([person.row(symbol, age=60 * 3600)])).json()["inserted"] == 1
    for _ in range(3):
        assert symbols(await ann.query(limit=9)) == ["ANNS"]
        assert symbols(await bob.query(limit=9)) == ["BOBS"]


async def test_a_browser_asks_whether_its_page_is_still_true(ann: Person) -> None:
    await ann.ingest([ann.row("ONE")])
    first = await ann.query()
    assert first.headers["cache-control"] == "private, no-cache"
    assert "authorization" in first.headers["vary"].lower()
    again = await ann.query(headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    await ann.ingest([ann.row("TWO", age=30)])
    changed = await ann.query(headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
