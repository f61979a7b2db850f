"""A round takes one day after the other, and one that cannot be archived keeps no other back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.archive.history import History
from workers.archive.day import NotRight, folder_of
from workers.archive.rounds import work
from workers.archive.stores.folder import FolderStore


class Forgetful(FolderStore):
    """A store that gives the files of one folder back empty."""

    def __init__(self, folder: Path, forgets: str) -> None:
        super().__init__(folder)
        self._forgets = forgets

    async def fetch(self, path: str, target: Path) -> None:
        await super().fetch(path, target)
        if path.startswith(self._forgets):
            await asyncio.to_thread(target.write_bytes, b"")


async def test_a_day_that_cannot_be_archived_keeps_no_other_back(history: History) -> None:
    trader = history.trader(history.user())
    bad, good = history.day, history.open_day()
    for day in (bad, good):
        history.signals(trader, 2, day=day)
    store = Forgetful(history.folder, folder_of(bad))
    with pytest.raises(NotRight, match=folder_of(bad)):
        await work(history.settings, store, history.key, days=[bad, good])
    listed = history.operator.execute(
        "select distinct partition_day from public.archive_files where partition_day in (%s, %s)", (bad, good)
    ).fetchall()
    assert listed == [(good,)]
