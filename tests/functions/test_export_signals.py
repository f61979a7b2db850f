"""Files of signals: all that a filter shows, to the last digit, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json

from tests.functions.conftest import MakePerson
from tests.functions.people import Person
from tests.stacks import Stack


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_csv_holds_every_signal_and_says_how_many(ann: Person, bob: Person) -> None:
    await bob.ingest([bob.row("BOBS")])
    await ann.ingest([ann.row(f"S{n}", age=60 + n) for n in range(30)])
    answer = await ann.export()
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="signals.csv"'
    assert answer.headers["x-total-count"] == "30"
    assert answer.text.endswith("\r\n")
    rows = records(answer.text)
    assert [row["symbol"] for row in rows] == [f"S{n}" for n in range(30)]
    assert {row["trader"] for row in rows} == {"Dips"}
    assert {(row["status"], row["machine"], row["closed_at"]) for row in rows} == {("new", "", "")}


async def test_money_and_texts_come_through_exactly(ann: Person) -> None:
    price = "12345678901234567890.123456789012345678901234567890"
    original = '{"id": 12345678901234567890, "say": "\\"yes\\", she\\r\\nsaid"}'
    await ann.http.post(
        "/functions/v1/ingest-signals",
        content=json.dumps({"signals": [ann.row("BTCUSDT", price=price, tags=["a,b", "=1"])]}).replace(
            '"tags"', f'"original_signal": {original}, "tags"'
        ),
        headers={"content-type": "application/json"},
    )
    (row,) = records((await ann.export()).text)
    assert row["initial_price"] == price
    assert row["original_signal"] == original
    assert json.loads(row["tags"]) == ["a,b", "=1"]
    lines = (await ann.export(format="ndjson")).text.splitlines()
    assert len(lines) == 1
    assert original in lines[0]
    assert json.loads(lines[0])["initial_price"] == price


async def test_no_cell_is_a_formula(ann: Person) -> None:
    await ann.ingest([ann.row("=HYPERLINK(1)"), ann.row("-5"), ann.row("@x", age=90)])
    symbols = {row["symbol"] for row in records((await ann.export()).text)}
    assert symbols == {"'=HYPERLINK(1)", "-5", "'@x"}


async def test_filters_and_columns_choose(ann: Person) -> None:
    await ann.ingest([ann.row("BTCUSDT"), ann.row("ETHUSDT")])
    answer = await ann.export(symbol="ETHUSDT", columns="symbol,status")
    assert (answer.text, answer.headers["x-total-count"]) == ("symbol,status\r\nETHUSDT,new\r\n", "1")
    assert (await ann.export(symbol="NONE", columns="symbol")).text == "symbol\r\n"
    assert (await ann.export(symbol="NONE", format="ndjson")).text == ""
    wrong = await ann.export(format="xlsx", cursor="x")
    assert wrong.status_code == 400
    assert sorted(one["field"] for one in wrong.json()["fields"]) == ["cursor", "format"]
    assert (await ann.export(columns="id,password")).status_code == 400


async def test_nobody_takes_away_what_is_anothers(ann: Person, bob: Person, stack: Stack) -> None:
    await ann.ingest([ann.row("ANNS")])
    answer = await bob.export(trader=ann.trader, columns="symbol")
    assert (answer.text, answer.headers["x-total-count"]) == ("symbol\r\n", "0")
    for token in (stack.token("authenticated", ann.id, exp=1_700_000_000), stack.token("anon")):
        refused = await ann.http.get(
            "/functions/v1/export-signals", headers={"authorization": f"Bearer {token}"}
        )
        assert refused.status_code == 401


async def test_more_than_a_page_comes_in_order_and_once(make_person: MakePerson) -> None:
    elite = await make_person("elite")
    for batch in range(6):
        rows = [elite.row(f"S{n}", age=60 + batch) for n in range(1000)]
        assert (await elite.ingest(rows)).json()["inserted"] == 1000
    answer = await elite.export(columns="id")
    ids = [row["id"] for row in records(answer.text)]
    assert answer.headers["x-total-count"] == "6000"
    assert len(set(ids)) == 6000
    assert ids == sorted(ids, reverse=True)
