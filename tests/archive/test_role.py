"""The role of a machine: it works by the wall's clock beside the others, and reports what it could not do."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.settings import Settings
from tests.archive.history import History
from tests.waiting import until
from workers.archive.connection import archivist
from workers.archive.keys import new_seal_key
from workers.archive.role import ArchiveRole
from workers.archive.seals import seal
from workers.archive.store import Store


def with_key(history: History, key: str | None = None, **more: object) -> Settings:
    return history.settings.model_copy(
        update={"sigtrail_seal_key": SecretStr(key or history.key_text)} | more
    )


async def test_it_seals_and_archives_by_itself(history: History) -> None:
    history.signals(history.trader(history.user()), 3)
    history.age(history.day, "8 days")
    role = ArchiveRole(with_key(history), seconds=0.02)
    await role.start()
    try:
        assert await role.step() == 0
        assert await until(lambda: role.counts["signals"] >= 3, timeout=60)
        assert await role.step() == 0
    finally:
        await role.stop()
    assert role.counts["parts"] >= 1


async def test_its_last_round_seals_what_was_written_until_it_stopped(history: History) -> None:
    role = ArchiveRole(with_key(history), seconds=3600)
    await role.start()
    await until(lambda: role.counts["rounds"] == 1, timeout=60)
    history.signals(history.trader(history.user()), 2)
    await role.stop()
    assert history.operator.execute(
        "select count(*) from private.unsealed_days() d where d = %s", (history.day,)
    ).fetchone() == (0,)


async def test_what_it_cannot_do_is_reported_and_tried_again(history: History, store: Store) -> None:
    # The chain is another key's.
    history.signals(history.trader(history.user()), 1)
    async with archivist(history.settings) as connection:
        await seal(connection, store, history.key)
    role = ArchiveRole(with_key(history, new_seal_key()), seconds=0.02)
    await role.start()
    try:

        async def is_told() -> bool:
            try:
                await role.step()
            except ConfigurationError as error:
                return "SIGTRAIL_SEAL_KEY" in str(error)
            return False

        assert await until(is_told, timeout=60)
    finally:
        with pytest.raises(ConfigurationError):
            await role.stop()


async def test_a_database_that_is_away_is_waited_for(history: History) -> None:
    settings = with_key(history, supabase_db_url=SecretStr("postgresql://postgres@127.0.0.1:1/postgres"))
    role = ArchiveRole(settings, seconds=0.02)
    await role.start()
    assert await until(lambda: role.counts["postponed"] >= 2, timeout=60)
    assert await role.step() == 0
    await role.stop()


async def test_without_a_key_there_is_no_role(history: History, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SIGTRAIL_SEAL_KEY is not set"):
        ArchiveRole(history.settings)
