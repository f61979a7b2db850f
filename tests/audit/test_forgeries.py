"""A superuser changes what is sealed, in every way and on every column, and the check names what was done."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from scripts.local_supabase.cluster import Cluster
from tests.audit.trail import Trail, at, first_kind, signals_of, yesterday
from tests.database.stage import Stage
from workers.archive.keys import SealKey, new_seal_key
from workers.archive.marks import pack
from workers.archive.records import EVENT_COLUMNS, MARK_AT, SIGNAL_COLUMNS
from workers.archive.seal import COLUMNS, Seal, from_file, path_of
from workers.archive.windows import PLACE_BYTES

# How a column of each kind gets another value.
EVENT_VALUES = {
    "user_id": "gen_random_uuid()",
    "order_id": "gen_random_uuid()",
    "position_id": "gen_random_uuid()",
    "execution_id": "gen_random_uuid()",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "created_at": "created_at - interval '1 day'",
    "event_type": "'status_changed'",
    "location": "'operator'",
    "from_status": "'monitoring'",
    "to_status": "'expired'",
    "worker": "coalesce(worker, '') || ' '",
    "event_data": "coalesce(event_data, '{}') || '{\"confidence\": \"0.9\"}'",
    "error_info": "'{}'",
    "tx": "tx + 1",
    "number": "number + 1",
}
SIGNAL_VALUES = {
    "user_id": "gen_random_uuid()",
    "trader_id": "gen_random_uuid()",
    "machine_id": "gen_random_uuid()",
    "triggered_at": "triggered_at + interval '1 second'",
    "created_at": "created_at + interval '1 second'",
    "source": "case source when 'local' then 'cloud'::public.signal_source else 'local' end",
    "side": "'short'",
    "symbol": "'ETHUSDT'",
    "normalised_symbol": "'ETH/USDT'",
    "interval": "'5m'",
    "initial_price": "(initial_price::text || '0')::numeric",
    "matched_conditions": "'[\"RSI(14) < 31\"]'",
    "original_signal": "'{}'",
}
SEAL_VALUES = {
    "kind": "'key'",
    "epoch": "epoch || '0'",
    "partition_day": "partition_day + 1",
    "reference": "1",
    "from_tx": "from_tx + 1",
    "to_tx": "to_tx + 1",
    "event_count": "event_count + 1",
    "content_hash": "sha256(content_hash)",
    "previous_hash": "sha256(content_hash)",
    "sealed_at": "sealed_at + interval '1 hour'",
    "key_id": "repeat('0', 64)",
    "signature": "sha512(signature)",
}

LAST = (
    "number = (select max(l.number) from public.signal_events l where l.signal_id = signal_events.signal_id)"
)


@pytest.fixture(scope="module")
async def made(audit_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trail]:
    """Three batches of signals with their analyses under three seals or more, all honest."""
    with Stage(audit_cluster.db_url) as stage:
        trail = Trail(stage, audit_cluster.admin_db_url, tmp_path_factory.mktemp("forged") / "store")
        for batch in range(3):
            trail.fire(
                6,
                at=at(batch),
                prefix=f"B{batch}S",
                original_signal={"n": batch},
                matched_conditions=["x > 1"],
            )
            trail.analyse(4)
            assert await trail.seal()
        report = await trail.verify()
        assert report.intact, report.findings
        assert report.unproven == []
        # A superuser gets rid of the checks of a table as well.
        with trail.without_checks("public.audit_seals", "public.signal_events"):
            trail.save()
            yield trail
            trail.restore()
        trail.close()


@pytest.fixture
def sealed(made: Trail) -> Iterator[Trail]:
    """That trail, put back after the test."""
    yield made
    made.restore()


def test_no_column_is_left_out() -> None:
    assert set(EVENT_VALUES) | {"signal_id"} == {name for name, _ in EVENT_COLUMNS} | {"tx", "number"}
    assert set(SIGNAL_VALUES) | {"id"} == {name for name, _ in SIGNAL_COLUMNS}
    assert set(SEAL_VALUES) | {"number"} == set(COLUMNS.split(", "))


@pytest.mark.parametrize("column", EVENT_VALUES)
async def test_a_changed_column_of_an_event(sealed: Trail, column: str) -> None:
    signal = signals_of(sealed)[7]
    sealed.forge(
        f"update public.signal_events set {column} = {EVENT_VALUES[column]} where signal_id = %s and {LAST}",
        signal,
    )
    report = await sealed.verify()
    if column == "tx":  # it went under the next seal
        assert first_kind(report) == "reordered", report.findings
        return
    assert first_kind(report) == "changed", report.findings
    assert report.findings[0].signal_id == signal


async def test_a_signal_that_never_came_in(sealed: Trail) -> None:
    sealed.forge(
        "insert into public.signals select (jsonb_populate_record(s, jsonb_build_object('id', "
        'private.signal_id(gen_random_uuid(), s.symbol, s."interval", private.unix_ms(s.triggered_at))))).* '
        "from public.signals s limit 1"
    )
    report = await sealed.verify()
    assert first_kind(report) == "inserted", report.findings


async def test_an_event_given_to_another_signal(sealed: Trail) -> None:
    first, second = signals_of(sealed)[:2]
    sealed.forge(
        "update public.signal_events set signal_id = %s, number = 9 where signal_id = %s and number = 2",
        first,
        second,
    )
    report = await sealed.verify()
    assert first_kind(report) == "changed", report.findings


@pytest.mark.parametrize("column", SIGNAL_VALUES)
async def test_a_changed_column_of_a_signal_that_never_changes(sealed: Trail, column: str) -> None:
    signal = signals_of(sealed)[7]
    sealed.forge(f'update public.signals set "{column}" = {SIGNAL_VALUES[column]} where id = %s', signal)
    report = await sealed.verify()
    assert first_kind(report) == "changed", report.findings
    assert (report.findings[0].signal_id, report.findings[0].number) == (signal, 1)


async def test_a_change_whose_hash_begins_as_before_is_placed_all_the_same(sealed: Trail) -> None:
    signal = signals_of(sealed)[7]
    begun = _first_byte(sealed, signal)
    for price in range(1, 10_000):
        sealed.forge("update public.signals set initial_price = %s where id = %s", price, signal)
        if _first_byte(sealed, signal) == begun:
            break
    else:
        pytest.fail("no price has a hash that begins with the same byte")
    report = await sealed.verify()
    assert (report.findings[0].signal_id, report.findings[0].number) == (signal, 1)


def _first_byte(trail: Trail, signal: UUID) -> bytes:
    """The first byte of the hash of this signal's creation event, as a seal would hold it."""
    found = trail.admin.execute(
        "select (private.sealed_content(%s, e.tx, e.tx + 1)).marks, "
        "  (select count(*) from public.signal_events before where before.tx = e.tx "
        "   and (before.signal_id, before.number) < (e.signal_id, e.number)) "
        "from public.signal_events e where e.signal_id = %s and e.number = 1",
        (yesterday(), signal),
    ).fetchone()
    assert found is not None
    marks, at = found
    first: bytes = marks[at * len(MARK_AT) + PLACE_BYTES :][:1]
    return first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("status = 'new', closed_at = null, outcome_code = null", "is new by its row"),
        ("outcome_code = 'against_trend'", "ended with against_trend by its row"),
    ],
)
async def test_a_changed_end_of_a_signal(sealed: Trail, change: str, words: str) -> None:
    signal = signals_of(sealed)[0]
    sealed.forge(f"update public.signals set {change} where id = %s", signal)
    report = await sealed.verify()
    assert first_kind(report) == "changed"
    assert words in report.findings[0].message


@pytest.mark.parametrize("place", [0, 3, 5])
async def test_a_removed_event(sealed: Trail, place: int) -> None:
    signal = signals_of(sealed)[place]
    sealed.forge(f"delete from public.signal_events where signal_id = %s and {LAST}", signal)
    assert first_kind(await sealed.verify()) == "removed"


async def test_a_removed_signal_with_all_its_events(sealed: Trail) -> None:
    signal = signals_of(sealed)[8]
    sealed.forge("delete from public.signal_events where signal_id = %s", signal)
    sealed.forge("delete from public.signals where id = %s", signal)
    assert first_kind(await sealed.verify()) == "removed"


async def test_a_removed_row_of_a_signal(sealed: Trail) -> None:
    sealed.forge("delete from public.signals where id = %s", signals_of(sealed)[8])
    assert first_kind(await sealed.verify()) == "changed"


async def test_everything_removed(sealed: Trail) -> None:
    sealed.forge("delete from public.signal_events")
    sealed.forge("delete from public.signals")
    assert first_kind(await sealed.verify()) == "removed"


async def test_an_inserted_event(sealed: Trail) -> None:
    signal = signals_of(sealed)[7]
    sealed.forge(
        "insert into public.signal_events select (jsonb_populate_record(e, jsonb_build_object("
        "'number', e.number + 1, 'event_type', 'monitoring_update', "
        "'from_status', null, 'to_status', null))).* "
        "from public.signal_events e where signal_id = %s order by number desc limit 1",
        signal,
    )
    report = await sealed.verify()
    assert first_kind(report) == "inserted", report.findings


@pytest.mark.parametrize("tx", [-1, 2**60])
async def test_an_event_of_a_transaction_that_cannot_be(sealed: Trail, tx: int) -> None:
    signal = signals_of(sealed)[7]
    sealed.forge(
        "insert into public.signal_events select (jsonb_populate_record(e, jsonb_build_object("
        "'number', e.number + 1, 'tx', %s::bigint, 'from_status', null, 'to_status', null))).* "
        "from public.signal_events e where signal_id = %s order by number desc limit 1",
        tx,
        signal,
    )
    report = await sealed.verify()
    assert first_kind(report) == "inserted", report.findings
    assert report.findings[0].signal_id == signal


async def test_two_events_that_changed_their_places(sealed: Trail) -> None:
    signal = signals_of(sealed)[0]
    sealed.forge("update public.signal_events set number = number + 100 where signal_id = %s", signal)
    sealed.forge(
        "update public.signal_events set number = case number when 101 then 1 when 102 then 3 else 2 end "
        "where signal_id = %s",
        signal,
    )
    report = await sealed.verify()
    assert first_kind(report) == "reordered", report.findings
    assert report.findings[0].signal_id == signal


async def test_an_event_moved_under_another_seal(sealed: Trail) -> None:
    sealed.forge(
        "update public.signal_events set tx = (select to_tx - 1 from public.audit_seals where number = 2) "
        "where signal_id = %s and number = 1",
        signals_of(sealed)[0],
    )
    assert first_kind(await sealed.verify()) == "reordered"


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("column", SEAL_VALUES)
async def test_a_changed_column_of_a_seal(sealed: Trail, column: str, number: int) -> None:
    sealed.forge(f"update public.audit_seals set {column} = {SEAL_VALUES[column]} where number = %s", number)
    report = await sealed.verify()
    assert first_kind(report) == "forged seal", report.findings
    assert report.findings[0].seal == number


async def test_a_seal_made_anew_over_forged_events_with_another_key(sealed: Trail) -> None:
    sealed.forge("update public.signal_events set worker = 'nobody'")
    sealed.forge("delete from public.audit_seals")
    for file in sealed.folder.rglob("*.json"):
        file.unlink()
    forger = SealKey.from_text(new_seal_key())
    assert await sealed.seal(forger)
    report = await sealed.verify()
    assert first_kind(report) == "forged seal"
    assert "not one of yours" in report.findings[0].message


async def test_a_removed_seal(sealed: Trail) -> None:
    sealed.forge("delete from public.audit_seals where number = 2")
    report = await sealed.verify()
    assert first_kind(report) == "removed"
    assert report.findings[0].seal == 2


async def test_seals_that_changed_places(sealed: Trail) -> None:
    for step in ("-number where number in (1, 2)", "3 + number where number < 0"):
        sealed.forge(f"update public.audit_seals set number = {step}")
    report = await sealed.verify()
    assert first_kind(report) == "reordered", report.findings


async def test_the_newest_history_cut_off(sealed: Trail) -> None:
    sealed.forge(
        "delete from public.signal_events "
        "where tx >= (select from_tx from public.audit_seals where number = 3)"
    )
    sealed.forge(
        "delete from public.signals s "
        "where not exists (select from public.signal_events e where e.signal_id = s.id)"
    )
    sealed.forge("delete from public.audit_seals where number = 3")
    report = await sealed.verify()
    assert first_kind(report) == "cut off", report.findings
    assert report.findings[0].seal == 3


async def test_a_cut_inside_and_outside_is_found_by_whoever_wrote_the_head_down(sealed: Trail) -> None:
    head = (await sealed.verify()).head
    sealed.forge("delete from public.audit_seals where number = 3")
    (sealed.folder / path_of(3)).unlink()
    report = await sealed.verify(head=head)
    assert first_kind(report) == "cut off", report.findings


async def test_every_seal_removed(sealed: Trail) -> None:
    sealed.forge("delete from public.audit_seals")
    assert first_kind(await sealed.verify()) == "cut off"


def _rewrite(path: Path, **changes: object) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | changes))


def _remark(path: Path, change: Callable[[bytes], bytes]) -> None:
    _, marks = from_file(path.read_bytes())
    assert marks
    _rewrite(path, marks=base64.b64encode(pack(change(marks))).decode())


OUTSIDE: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (lambda path: path.unlink(), "removed"),
    "emptied": (lambda path: path.write_bytes(b""), "forged seal"),
    "not a seal": (lambda path: path.write_text('{"number": []}'), "forged seal"),
    "another hash": (lambda path: _rewrite(path, content_hash="00" * 32), "forged seal"),
    "another signature": (lambda path: _rewrite(path, signature="00" * 64), "forged seal"),
    "a count of no number": (lambda path: _rewrite(path, event_count="two"), "forged seal"),
    "a count beyond all": (lambda path: _rewrite(path, event_count=2**64), "forged seal"),
    "another time": (lambda path: _rewrite(path, sealed_at="2020-01-01T00:00:00+00:00"), "forged seal"),
    "no marks": (lambda path: _rewrite(path, marks="AAAA"), "forged seal"),
    "marks of more events": (lambda path: _remark(path, lambda marks: marks + marks), "forged seal"),
    "other marks": (lambda path: _remark(path, lambda marks: b"\1" + marks[1:]), "changed"),
}


@pytest.mark.parametrize("name", OUTSIDE)
async def test_a_forged_copy_outside(sealed: Trail, name: str) -> None:
    forge, kind = OUTSIDE[name]
    forge(sealed.folder / path_of(2))
    report = await sealed.verify()
    assert first_kind(report) == kind, report.findings
    assert report.findings[0].seal == 2


async def test_a_seal_invented_outside(sealed: Trail) -> None:
    (sealed.folder / path_of(4)).write_bytes((sealed.folder / path_of(3)).read_bytes())
    assert first_kind(await sealed.verify()) == "forged seal"


async def test_a_key_replaced_outside(sealed: Trail) -> None:
    """Whoever swaps the keys of the store for their own cannot sign with what the auditor holds."""
    for file in (sealed.folder / "seal-keys").iterdir():
        file.write_text("AAAA")
    assert (await sealed.verify()).intact
    assert first_kind(await sealed.verify(keys=[SealKey.from_text(new_seal_key())])) == "forged seal"


def test_a_seal_covers_all_its_columns() -> None:
    assert set(COLUMNS.split(", ")) == set(Seal.__slots__)
