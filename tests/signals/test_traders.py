"""Reading traders: all at first, then what was changed, and in the end always what the database has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.errors import NotSent
from tests.machine.scenes import machine_connection
from tests.signals.test_database import open_scene
from tests.stacks import Stack
from workers.signals import traders as module
from workers.signals.traders import TraderList


class Reader:
    """A list of traders, with the pages that it reads written down."""

    def __init__(self, traders: TraderList, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.traders = traders
        self.rows = rows
        self.monkeypatch = monkeypatch

    async def conditions(self, *ids: UUID) -> list[tuple[str, ...] | None]:
        """The conditions of these traders, None for those that are not active; and how much was read."""
        self.rows.clear()
        found = {one.id: one.conditions for one in (await self.traders.load())[0]}
        return [found.get(one) for one in ids]


@asynccontextmanager
async def reading(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    rows: list[int] = []
    read_page = module._read_page

    async def read(*arguments: Any) -> Sequence[dict[str, Any]]:
        page = await read_page(*arguments)
        rows.append(len(page))
        return page

    monkeypatch.setattr(module, "_read_page", read)
    async with machine_connection(stack, "signal_worker") as connection:
        yield Reader(TraderList(connection), rows, monkeypatch)


def change(stack: Stack, text: str, *values: object) -> None:
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        database.execute(text.encode(), values)


def long_ago(stack: Stack) -> None:
    """As if nobody had changed any trader for an hour."""
    with psycopg.connect(stack.settings.admin_db_url, autocommit=True) as database:
        database.execute("alter table public.traders disable trigger user")
        database.execute("update public.traders set updated_at = updated_at - interval '1 hour'")
        database.execute("alter table public.traders enable trigger user")


async def test_what_was_changed_is_read_and_nothing_else(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_scene(stack), open_scene(stack)
    long_ago(stack)
    open_scene(stack)  # the newest, which every reading begins a little before
    async with reading(stack, monkeypatch) as reader:
        ids = (one.trader_id, other.trader_id)
        assert await reader.conditions(*ids) == [("close < 100",)] * 2
        change(stack, "update public.traders set conditions = '{close > 1}' where id = %s", ids[0])
        assert await reader.conditions(*ids) == [("close > 1",), ("close < 100",)]
        assert sum(reader.rows) == 2, "nobody else was read again"
        change(stack, "update public.traders set status = 'paused' where id = %s", ids[1])
        assert await reader.conditions(*ids) == [("close > 1",), None]
        change(stack, "update public.traders set status = 'active' where id = %s", ids[1])
        new = open_scene(stack)
        assert await reader.conditions(*ids, new.trader_id) == [("close > 1",), *[("close < 100",)] * 2]
        assert sum(reader.rows) == 4
        change(stack, "delete from public.traders where id = %s", ids[0])
        assert await reader.conditions(*ids) == [None, ("close < 100",)]


async def test_a_change_that_was_committed_late_is_found(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_scene(stack), open_scene(stack)
    async with reading(stack, monkeypatch) as reader:
        with psycopg.connect(stack.db_url) as slow:
            slow.execute(
                "update public.traders set conditions = '{close > 1}' where id = %s", [one.trader_id]
            )
            change(stack, "update public.traders set side = 'short' where id = %s", other.trader_id)
            assert await reader.conditions(one.trader_id) == [("close < 100",)]
        assert await reader.conditions(one.trader_id) == [("close > 1",)]


async def test_all_are_read_again_now_and_then(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    one = open_scene(stack)
    monkeypatch.setattr(module, "WHOLE_EVERY", 3)
    async with reading(stack, monkeypatch) as reader:
        await reader.conditions()
        with psycopg.connect(stack.settings.admin_db_url, autocommit=True) as database:
            database.execute("alter table public.traders disable trigger user")
            change_it = "update public.traders set conditions = '{close > 1}', updated_at = %s where id = %s"
            database.execute(change_it, ["2026-01-01", one.trader_id])
            database.execute("alter table public.traders enable trigger user")
        found = [await reader.conditions(one.trader_id) for _ in range(3)]
    assert found == [[("close < 100",)], [("close < 100",)], [("close > 1",)]]


async def test_a_read_that_broke_off_loses_no_trader(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    one = open_scene(stack)
    async with reading(stack, monkeypatch) as reader:
        before = (await reader.traders.load())[0]
        change(stack, "update public.traders set conditions = '{close > 1}' where id = %s", one.trader_id)
        reader.traders._loads = 0
        with monkeypatch.context() as patch:

            async def refuse(*_: object) -> list[dict[str, Any]]:
                raise NotSent("traders: the Supabase API cannot be reached")

            patch.setattr(module, "_read_page", refuse)
            with pytest.raises(NotSent):
                await reader.traders.load()
        assert len((await reader.traders.load())[0]) == len(before)
        assert await reader.conditions(one.trader_id) == [("close > 1",)]


async def test_symbols_that_many_traders_watch_are_kept_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = [f"S{number}USDT" for number in range(20)]
    ids = {open_scene(stack, symbols=symbols).trader_id for _ in range(2)}
    async with reading(stack, monkeypatch) as reader:
        one, other = [each for each in (await reader.traders.load())[0] if each.id in ids]
    assert one.symbols is other.symbols
