"""Sealing goes by transactions: nothing is skipped or sealed twice, whoever seals and whenever they die."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psycopg
import pytest

from shared.errors import ConfigurationError, Refused, Unavailable
from tests.audit.trail import Trail, at, first_kind, yesterday
from tests.database.stage import ingest, row
from workers.archive.keys import SealKey, new_seal_key
from workers.archive.seal import path_of
from workers.archive.stores.folder import FolderStore
from workers.archive.verification import NotChecked


async def sealed_events(trail: Trail) -> int:
    (count,) = trail.admin.execute(
        "select coalesce(sum(event_count), 0) from public.audit_seals"
    ).fetchone() or (0,)
    return int(count)


async def test_a_transaction_that_is_open_for_long_is_sealed_when_it_commits(trail: Trail) -> None:
    slow = trail.stage.connect(autocommit=False)
    ingest(slow, [row(trail.trader_id, "SLOWUSDT", at(0))])
    trail.fire(3, at=at(1))
    assert await trail.seal() == []  # nothing below the open transaction is known to be all there is
    trail.fire(3, at=at(2))
    slow.commit()
    assert [made.event_count for made in await trail.seal()] == [7]
    assert (await trail.verify()).intact


async def test_what_commits_before_a_slow_transaction_began_is_sealed_at_once(trail: Trail) -> None:
    trail.fire(3, at=at(0))
    slow = trail.stage.connect(autocommit=False)
    ingest(slow, [row(trail.trader_id, "SLOWUSDT", at(1))])
    trail.fire(2, at=at(2))
    assert [made.event_count for made in await trail.seal()] == [3]
    slow.commit()
    assert [made.event_count for made in await trail.seal()] == [3]
    assert (await trail.verify()).intact


async def test_aborted_transactions_and_savepoints_leave_no_gap(trail: Trail) -> None:
    lost = trail.stage.connect(autocommit=False)
    ingest(lost, [row(trail.trader_id, "LOSTUSDT", at(0))])
    kept = trail.stage.connect(autocommit=False)
    with kept.transaction():
        ingest(kept, [row(trail.trader_id, "KEPTUSDT", at(0))])
        with kept.transaction(force_rollback=True):
            ingest(kept, [row(trail.trader_id, "UNDONEUSDT", at(0))])
        with kept.transaction():
            ingest(kept, [row(trail.trader_id, "NESTEDUSDT", at(0))])
    lost.rollback()
    assert [made.event_count for made in await trail.seal()] == [2]
    assert (await trail.verify()).intact


async def test_many_writers_and_two_sealers_at_once(trail: Trail) -> None:
    """Every event is under exactly one seal, although nobody waits for anybody."""
    writing = asyncio.Event()

    async def write(number: int) -> None:
        connection = await psycopg.AsyncConnection.connect(trail.url)
        async with connection:
            for batch in range(6):
                for place in range(3):
                    body = [row(trail.trader_id, f"W{number}B{batch}P{place}", at(batch))]
                    await connection.execute("select public.ingest_signals(%s::json)", (json.dumps(body),))
                if batch % 3 == 2:
                    await connection.rollback()
                else:
                    await connection.commit()

    async def keep_sealing() -> int:
        made = 0
        while not writing.is_set():
            made += len(await trail.seal())
        return made

    sealers = [asyncio.create_task(keep_sealing()) for _ in range(2)]
    await asyncio.gather(*(write(number) for number in range(5)))
    writing.set()
    made = sum(await asyncio.gather(*sealers)) + len(await trail.seal())

    (events,) = trail.admin.execute("select count(*) from public.signal_events").fetchone() or (0,)
    assert events == 5 * 4 * 3
    assert await sealed_events(trail) == events
    report = await trail.verify()
    assert report.intact, report.findings
    assert (report.seals, report.events, report.unproven) == (made, events, [])


async def test_a_sealer_that_died_before_it_wrote_its_file_is_made_good(trail: Trail) -> None:
    trail.fire(3, at=at(0))
    (made,) = await trail.seal()
    whole = (trail.folder / path_of(made.number)).read_bytes()
    (trail.folder / path_of(made.number)).unlink()
    report = await trail.verify()
    assert report.intact
    assert report.unproven == ["seal 1 is not in the store yet: the next sealing writes it"]

    assert await trail.seal() == []
    assert (trail.folder / path_of(made.number)).read_bytes() == whole
    assert (await trail.verify()).unproven == []


class AwayStore(FolderStore):
    """A store that cannot be written to."""

    async def write(self, path: str, content: bytes) -> None:
        raise Unavailable(f"{path}: the store is away")


async def test_while_the_store_is_away_at_most_one_seal_is_made(trail: Trail) -> None:
    trail.fire(3, at=at(0))
    assert await trail.seal()
    home = trail.store
    trail.store = AwayStore(trail.folder)
    for batch in range(3):
        trail.fire(3, at=at(1 + batch), prefix=f"A{batch}")
        with pytest.raises(Unavailable):
            await trail.seal()
    trail.store = home
    (seals,) = trail.admin.execute("select count(*) from public.audit_seals").fetchone() or (0,)
    assert seals == 2
    assert await trail.seal()
    assert await sealed_events(trail) == 12
    report = await trail.verify()
    assert report.intact, report.findings
    assert report.unproven == []


async def test_nothing_is_sealed_onto_a_database_from_the_past(trail: Trail) -> None:
    for batch in range(2):
        trail.fire(2, at=at(batch), prefix=f"B{batch}")
        await trail.seal()
    trail.forge("delete from public.audit_seals where number = 2")
    with pytest.raises(Refused, match="the store holds another seal 2"):
        await trail.seal()
    assert first_kind(await trail.verify()) == "cut off"


async def test_a_new_key_takes_over_from_the_old_one(trail: Trail) -> None:
    old, new = new_seal_key(), new_seal_key()
    trail.fire(2, at=at(0))
    await trail.seal(SealKey.from_text(old))
    trail.fire(2, at=at(1), prefix="N")
    with pytest.raises(ConfigurationError, match="NEW,OLD"):
        await trail.seal(SealKey.from_text(new))
    made = await trail.seal(SealKey.from_text(f"{new},{old}"))
    assert [one.kind for one in made] == ["key", "events"]
    trail.fire(2, at=at(2), prefix="L")
    await trail.seal(SealKey.from_text(new))

    # Who knows the old key learns of the new one by its signature; the new one leads back by the hashes.
    for known in (old, new):
        report = await trail.verify(keys=[SealKey.from_text(known)])
        assert report.intact, report.findings
    trail.forge("update public.audit_seals set content_hash = sha256('') where kind = 'key'")
    for known in (old, new):
        assert first_kind(await trail.verify(keys=[SealKey.from_text(known)])) == "forged seal"


async def test_without_any_key_nothing_can_be_checked(trail: Trail, tmp_path: Path) -> None:
    trail.store = FolderStore(tmp_path / "nothing")
    with pytest.raises(NotChecked, match="no public key"):
        await trail.verify(keys=[])


async def test_keys_of_the_store_are_said_to_be_no_proof(trail: Trail) -> None:
    trail.fire(2, at=at(0))
    await trail.seal()
    report = await trail.verify(keys=[])
    assert report.intact
    assert any("public keys come from the store" in sentence for sentence in report.unproven)


async def test_a_backlog_is_sealed_in_pieces(trail: Trail) -> None:
    for batch in range(4):
        trail.fire(5, at=at(batch), prefix=f"B{batch}")
    async with trail.archivist() as connection:
        answer = await connection.execute("select * from private.prepare_seal(%s, 8)", (yesterday(),))
        first = await answer.fetchone()
    assert first is not None
    assert first["event_count"] == 10  # whole transactions: five and five


async def test_nobody_seals_what_is_not_over_or_not_prepared(trail: Trail) -> None:
    trail.fire(2, at=at(0))
    (made,) = await trail.seal()
    async with trail.archivist() as connection:

        async def add(**changes: object) -> object:
            values = {
                "number": 2, "kind": "events", "epoch": made.epoch, "partition_day": yesterday(),
                "reference": None, "from_tx": made.to_tx, "to_tx": (made.to_tx or 0) + 1, "event_count": 0,
                "content_hash": made.hash, "previous_hash": made.hash, "sealed_at": made.sealed_at,
                "key_id": made.key_id, "signature": made.signature,
            } | changes  # fmt: skip
            names = ", ".join(f"{name} => %s" for name in values)
            answer = await connection.execute(
                f"select private.add_seal({names})".encode(), list(values.values())
            )
            found = await answer.fetchone()
            return found and found["add_seal"]

        assert await add(number=3) is False
        assert await add(previous_hash=made.content_hash) is False
        assert await add(from_tx=0) is False
        assert await add(epoch="another") is False
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="are not over yet"):
            await add(to_tx=2**50)


async def test_after_a_dump_was_restored_transactions_go_on_above_all_that_were_sealed(trail: Trail) -> None:
    """Another cluster counts from the start again; the trail does not."""
    trail.fire(2, at=at(0))
    trail.analyse(1)
    await trail.seal()
    # As if these rows had been written by a cluster that was further on, and were restored into this one.
    lift = 10**9
    trail.admin.execute("update public.signal_events set tx = tx + %s", (lift,))
    trail.admin.execute("delete from public.audit_seals")
    trail.admin.execute("insert into private.epochs values (0, '1', 0)")
    trail.admin.execute("delete from private.epochs where number > 0")
    for file in trail.folder.rglob("*.json"):
        file.unlink()
    try:
        await trail.seal()
        trail.fire(2, at=at(1), prefix="AFTER")
        assert await trail.seal()
        (lowest,) = trail.admin.execute(
            "select min(e.tx) from public.signal_events e join public.signals s on s.id = e.signal_id "
            "where s.symbol like 'AFTER%%'"
        ).fetchone() or (0,)
        assert lowest > lift
        assert await sealed_events(trail) == 2 + 2 + 2
        report = await trail.verify()
        assert report.intact, report.findings
        assert report.unproven == []
    finally:
        trail.admin.execute(
            "alter table only public.signal_events alter column tx "
            "set default (pg_current_xact_id()::text::bigint)"
        )
        trail.admin.execute(
            "create or replace function private.current_tx() returns bigint language plpgsql volatile "
            "set search_path = '' as 'begin return pg_current_xact_id()::text::bigint; end;'"
        )
        trail.admin.execute("delete from private.epochs")
        trail.admin.execute(
            "insert into private.epochs (number, system_identifier) values (1, private.system_identifier())"
        )
