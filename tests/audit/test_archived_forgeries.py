"""A day in the archive is forged, in Postgres, in the book of files and in the files, compacted or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from scripts.local_supabase.cluster import Cluster
from tests.audit.days import check, compact, make_archived_day
from tests.audit.trail import Trail, first_kind
from tests.database.stage import Stage


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "compacted"])
async def made(
    request: pytest.FixtureRequest, audit_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Trail]:
    with Stage(audit_cluster.db_url) as stage:
        trail = Trail(stage, audit_cluster.admin_db_url, tmp_path_factory.mktemp("archived") / "store")
        day = await make_archived_day(trail)
        if request.param:
            compact(trail, day)
            await check(trail)
        trail.save()
        yield trail
        trail.close()


@pytest.fixture
def archived(made: Trail) -> Iterator[Trail]:
    """That trail, put back after the test."""
    yield made
    made.restore()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("update public.signal_events set worker = 'me' where number = 2", "changed"),
        ("update public.signals set side = 'short'", "changed"),
        (
            "update public.signals set status = 'expired', closed_at = now(), outcome_code = 'signal_stale'",
            "changed",
        ),
        ("delete from public.signal_events where number = 2", "removed"),
        ("delete from public.signal_events", "removed"),
        ("delete from public.signals", "changed"),
        ("update public.archive_files set file_hash = sha256('') where kind = 'events'", "changed"),
        ("update public.archive_files set row_count = 1 where kind = 'signals'", "changed"),
        ("update public.archive_files set to_tx = to_tx + 1", "changed"),
        ("delete from public.archive_files", "removed"),
    ],
)  # fmt: skip
async def test_what_is_forged_in_the_database(archived: Trail, statement: str, kind: str) -> None:
    archived.forge(statement)
    report = await archived.verify()
    assert first_kind(report) == kind, report.findings


# A compaction that never was, to explain why rows are gone.
INVENTED = """
insert into private.compactions (day, to_tx, kept_signals, kept_events, kept_snapshots, removed_signals,
  removed_events, removed_snapshots)
select partition_day, 2^60, 0, 0, 0, 0, 0, 0 from public.archive_files limit 1
"""


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("update private.compactions set removed_events = removed_events + 1", "changed"),
        ("update private.compactions set to_tx = 1", "changed"),
        ("delete from private.compactions", "removed"),
    ],
)
async def test_what_is_forged_of_a_compaction(archived: Trail, statement: str, kind: str) -> None:
    (compactions,) = archived.admin.execute("select count(*) from private.compactions").fetchone() or (0,)
    if not compactions:
        statement, kind = INVENTED, "removed"
        archived.forge("delete from public.signal_events")
        archived.forge("delete from public.signals")
    archived.forge(statement)
    report = await archived.verify()
    assert first_kind(report) == kind, report.findings


async def test_a_traded_signal_that_vanished(archived: Trail) -> None:
    archived.forge(
        "delete from public.signal_events where signal_id = "
        "(select o.signal_id from public.signal_events o where o.order_id is not null)"
    )
    assert first_kind(await archived.verify()) == "removed"


@pytest.mark.parametrize("kind", ["signals", "events"])
async def test_a_forged_file(archived: Trail, kind: str) -> None:
    (path,) = [file for file in archived.folder.rglob("*.parquet") if kind in file.name]
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert first_kind(await archived.verify()) == "changed"
    path.unlink()
    assert first_kind(await archived.verify()) == "removed"
