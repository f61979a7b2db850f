"""query_signals answers what plain filtering in Python finds, whatever is asked and whoever writes."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.stage import Row, Stage, ingest, noon, one, row, together

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
TAGS = ["red", "blue", "green"]
WORDS = ["momentum", "volume", "Breakout", "gap", "reversal", "100%", '"quoted"', "näher"]
OUTCOMES = {
    "expired": ["signal_stale", "price_drifted", "position_limit"],
    "rejected": ["low_confidence", "against_trend"],
}
CASTS = {"page_size": "::integer"}
COUNT = 240
SPAN = timedelta(hours=26)


class World:
    """A user with three traders and signals of every kind over two recorded days, and the same signals as
    Python knows them. A stranger has some that look alike."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.user_id = stage.user()
        self.traders = [stage.trader(self.user_id) for _ in range(3)]
        self.person = stage.person(self.user_id)
        self.begin = datetime(2025, 5, 4, 10, tzinfo=UTC)
        stage.operator.execute("select private.open_partitions('2025-05-04', '2025-05-05')")
        self.words = dict(
            stage.operator.execute(
                "select code, code || ' ' || description from public.outcome_codes"
            ).fetchall()
        )
        self.machine_name, self.machine = _machine(stage)
        chance = random.Random(5)
        other = stage.trader(stage.user())
        mine = [self._make(chance, n) for n in range(COUNT)]
        _write(self.machine, [r for r in mine if r["cloud"]])
        _write(self.person, [r for r in mine if not r["cloud"]])
        _write(
            self.machine,
            [row(other, symbol, noon(), tags=TAGS, original_signal={"note": "gap"}) for symbol in SYMBOLS],
        )
        found = stage.operator.execute(
            "select id, trader_id::text, symbol, triggered_at from public.signals where user_id = %s",
            (self.user_id,),
        ).fetchall()
        ids = {(trader, symbol, at): id_ for id_, trader, symbol, at in found}
        self.signals = [r | {"id": ids[r["trader_id"], r["symbol"], r["at"]]} for r in mine]
        for signal in self.signals:
            self._end(chance, signal)
        self.signals.sort(key=lambda signal: signal["id"].int)

    def _make(self, chance: random.Random, n: int) -> Row:
        # Many share a time; no two share trader, symbol and time.
        at = self.begin + SPAN * (n // 12 * 12 / COUNT)
        said = " ".join(chance.sample(WORDS, 2))
        cloud = chance.random() < 0.7
        return {
            **row(self.traders[n % 3], SYMBOLS[n // 3 % 4], at),
            "side": chance.choice(["long", "short"]),
            "tags": chance.sample(TAGS, chance.randrange(4)),
            "original_signal": {"note": said},
            "at": at,
            "said": said,
            "cloud": cloud,
            "status": "new",
            "outcome_code": None,
            "confidence": None,
        }

    def _end(self, chance: random.Random, signal: Row) -> None:
        kind = chance.choice(["new", "expired", "rejected", "analyzing"])
        if kind == "new":
            return
        if kind == "rejected":
            signal["confidence"] = Decimal(chance.randrange(11)) / 10
        signal["status"] = kind
        signal["outcome_code"] = chance.choice(OUTCOMES[kind]) if kind in OUTCOMES else None
        path = ["analyzing", kind] if kind == "rejected" else [kind]
        for status in path:
            self.stage.operator.execute(
                "update public.signals set status = %s, outcome_code = %s, analysis_confidence = %s"
                " where id = %s",
                (
                    status,
                    signal["outcome_code"] if status == kind else None,
                    signal["confidence"],
                    signal["id"],
                ),
            )

    def texts(self, signal: Row) -> str:
        """Everything that a signal says, as a reader would search it."""
        outcome = self.words[signal["outcome_code"]] if signal["outcome_code"] else ""
        return "\n".join([signal["symbol"], signal["said"], outcome, *signal["tags"]]).lower()


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[World]:
    with Stage(database) as stage:
        yield World(stage)


def subsets(values: list[str]) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=3)


QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "trader_places": st.lists(st.integers(0, 2), min_size=1, max_size=3),
        "symbols": subsets(SYMBOLS),
        "statuses": subsets(["new", "expired", "rejected", "analyzing", "closed"]),
        "outcomes": subsets([code for codes in OUTCOMES.values() for code in codes]),
        "sources": subsets(["local", "cloud"]),
        "machine": st.booleans(),
        "sides": subsets(["long", "short"]),
        "any_tags": subsets(TAGS),
        "all_tags": subsets(TAGS),
        "from_hours": st.floats(-3, 30),
        "to_hours": st.floats(-3, 30),
        "min_confidence": st.integers(0, 10).map(lambda tenth: Decimal(tenth) / 10),
        "max_confidence": st.integers(0, 10).map(lambda tenth: Decimal(tenth) / 10),
        "search": st.lists(
            st.sampled_from([*WORDS, "usdt", "moved", "trend", "e", "note"]), min_size=1, max_size=2
        ),
    },
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(QUESTIONS, st.booleans(), st.sampled_from([11, 60, 1000]))
def test_it_answers_what_plain_filtering_finds(
    world: World, asked: dict[str, Any], newest_first: bool, page_size: int
) -> None:
    arguments = _arguments(world, asked)
    if arguments is None:
        return
    arguments["newest_first"] = newest_first
    expected = [signal["id"] for signal in world.signals if _passes(world, signal, asked)]
    if newest_first:
        expected.reverse()
    assert _read(world.person, arguments, page_size) == expected


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(), st.integers(1, 40), st.sampled_from([{}, {"statuses": ["new"]}, {"symbols": ["BTCUSDT"]}])
)
def test_pages_are_exact_while_others_write(
    database: str, newest_first: bool, page_size: int, filters: dict[str, Any]
) -> None:
    with Stage(database) as stage:
        user_id = stage.user()
        traders = [stage.trader(user_id) for _ in range(2)]
        machines = [stage.machine("signal_worker") for _ in range(2)]
        person = stage.person(user_id)
        ingest(machines[0], [row(traders[n % 2], SYMBOLS[n // 2 % 2], _minute(n // 4)) for n in range(200)])
        known = "select id from public.signals where user_id = %s"
        before = {id_ for (id_,) in stage.operator.execute(known + _where(filters), (user_id,))}
        stopped = threading.Event()

        def write(place: int) -> None:
            # Between what is there, before it and after it, until the reader has come to the end.
            for n in range(400):
                if stopped.is_set():
                    break
                at = _minute(-60 + n * 7 % 180) + timedelta(milliseconds=1 + n)
                ingest(machines[place], [row(traders[place], SYMBOLS[n % 2], at)])

        def change() -> None:
            operator = stage.connect()
            for n, id_ in enumerate(sorted(before)):
                if stopped.is_set():
                    break
                # Neither what somebody filters by: a row that is rewritten must not move.
                operator.execute("update public.signals set current_price = %s where id = %s", (n + 1, id_))

        def read() -> list[UUID]:
            try:
                return _read(person, {"newest_first": newest_first, **filters}, page_size)
            finally:
                stopped.set()

        answers: list[list[UUID] | None] = together([read, lambda: write(0), lambda: write(1), change])
        found = answers[0]
        assert found is not None
        assert found == sorted(found, reverse=newest_first)
        assert len(set(found)) == len(found), "a row came twice"
        assert before <= set(found), "a row that was there was left out"


def test_a_changed_status_neither_doubles_nor_hides_another_signal(stage: Stage) -> None:
    user_id = stage.user()
    trader, machine, person = stage.trader(user_id), stage.machine("signal_worker"), stage.person(user_id)
    ingest(machine, [row(trader, at=_minute(n)) for n in range(60)])
    ids = [
        id_
        for (id_,) in stage.operator.execute(
            "select id from public.signals where user_id = %s order by id desc", (user_id,)
        )
    ]
    found: list[UUID] = []
    cursor = None
    left: set[UUID] = set()
    while True:
        page = _ask(person, {"statuses": ["new"], "page_size": 7, "cursor": cursor})
        found += [UUID(r["id"]) for r in page["rows"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        # One of those that were read, and one that was not yet.
        gone = [ids[len(found) - 1], ids[min(len(found) + len(left) + 3, 59)]]
        left |= {id_ for id_ in gone if id_ not in found}
        stage.operator.execute(
            "update public.signals set status = 'expired', outcome_code = 'signal_stale'"
            " where id = any(%s) and status = 'new'",
            (gone,),
        )
    assert len(set(found)) == len(found)
    assert set(ids) - set(found) == left - set(found)


def test_a_stranger_pages_through_nothing(world: World) -> None:
    stranger = world.stage.person(world.stage.user())
    assert _read(stranger, {}, 100) == []
    assert _read(stranger, {"traders": world.traders}, 100) == []


def test_the_story_of_a_signal_is_whole(world: World) -> None:
    signal = next(signal for signal in world.signals if signal["status"] == "rejected")
    story = one(world.person, "select public.signal_story(%s)", signal["id"])
    assert story["signal"]["initial_price"] == "64000.5"
    assert story["signal"]["status"] == "rejected"
    assert [event["number"] for event in story["events"]] == [1, 2, 3]
    assert story["outcome"] is not None
    assert story["orders"] == story["positions"] == story["snapshots"] == story["executions"] == []
    stranger = world.stage.person(world.stage.user())
    assert one(stranger, "select public.signal_story(%s)", signal["id"]) is None


def _arguments(world: World, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The question as query_signals takes it, None for one that makes no sense."""
    arguments = {name: value for name, value in asked.items() if value is not None}
    if "trader_places" in arguments:
        arguments["traders"] = [world.traders[place] for place in arguments.pop("trader_places")]
    if arguments.pop("machine", False):
        arguments["machines"] = [world.machine_name]
    for name in ("from", "to"):
        if f"{name}_hours" in arguments:
            arguments[f"{name}_time"] = _time(world, arguments.pop(f"{name}_hours"))
    if "search" in arguments:
        arguments["search"] = " ".join(arguments["search"]).upper()
    if arguments.get("min_confidence", 0) > arguments.get("max_confidence", 1):
        return None
    if "from_time" in arguments and "to_time" in arguments and arguments["from_time"] > arguments["to_time"]:
        return None
    return arguments


def _passes(world: World, signal: Row, asked: dict[str, Any]) -> bool:
    """Whether a signal passes, filter by filter."""
    at, confidence = signal["at"], signal["confidence"]
    texts = world.texts(signal)
    tests: dict[str, Callable[[Any], bool]] = {
        "trader_places": lambda places: (
            signal["trader_id"] in {str(world.traders[place]) for place in places}
        ),
        "symbols": lambda symbols: signal["symbol"] in symbols,
        "statuses": lambda statuses: signal["status"] in statuses,
        "outcomes": lambda outcomes: signal["outcome_code"] in outcomes,
        "sources": lambda sources: ("cloud" if signal["cloud"] else "local") in sources,
        "machine": lambda wanted: signal["cloud"] or not wanted,
        "sides": lambda sides: signal["side"] in sides,
        "any_tags": lambda tags: bool(set(tags) & set(signal["tags"])),
        "all_tags": lambda tags: set(tags) <= set(signal["tags"]),
        "from_hours": lambda hours: at >= _time(world, hours),
        "to_hours": lambda hours: at < _time(world, hours),
        "min_confidence": lambda least: confidence is not None and confidence >= least,
        "max_confidence": lambda most: confidence is not None and confidence <= most,
        "search": lambda words: all(word.lower() in texts for word in words),
    }
    return all(tests[name](value) for name, value in asked.items() if value is not None)


def _read(connection: psycopg.Connection[Any], arguments: dict[str, Any], page_size: int) -> list[UUID]:
    """All pages of a question: the ids in the order in which they came."""
    found: list[UUID] = []
    cursor = None
    while True:
        page = _ask(connection, {**arguments, "page_size": page_size, "columns": ["id"], "cursor": cursor})
        assert len(page["rows"]) <= page_size
        found += [UUID(r["id"]) for r in page["rows"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _ask(connection: psycopg.Connection[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    given = ", ".join(f"{name} => %({name})s{CASTS.get(name, '')}" for name in arguments)
    found = connection.execute(f"select public.query_signals({given})", arguments).fetchone()
    assert found is not None
    page: dict[str, Any] = found[0]
    return page


def _write(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    known = ("trader_id", "symbol", "interval", "triggered_at", "price", "side", "tags", "original_signal")
    answer = ingest(connection, [{name: r[name] for name in known} for r in rows])
    assert answer["inserted"] == len(rows), answer


def _machine(stage: Stage) -> tuple[str, psycopg.Connection[Any]]:
    connection = stage.machine("signal_worker")
    claims = json.loads(one(connection, "select current_setting('request.jwt.claims')"))
    return claims["machine_id"], connection


def _minute(n: int) -> datetime:
    return noon() + timedelta(minutes=n)


def _time(world: World, hours: float) -> datetime:
    """To the millisecond, as exact as an id is."""
    ms = round(hours * 3_600_000)
    return (world.begin + timedelta(milliseconds=ms)).astimezone(UTC)


def _where(filters: dict[str, Any]) -> str:
    if "statuses" in filters:
        return " and status = 'new'"
    return " and symbol = 'BTCUSDT'" if "symbols" in filters else ""
