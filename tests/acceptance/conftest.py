"""What these tests share: a project, candles, and what a run leaves that nothing disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.journey import Row, add_trader, empty, read_record, up, write_candles
from tests.stacks import Stack, running_stack

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTES = 600


@dataclass(frozen=True)
class Undisturbed:
    """The end of a run that nothing disturbed."""

    summary: dict[str, Any]
    record: Mapping[str, list[Row]]


@pytest.fixture(scope="package")
def busy_stack(state_folder: Path) -> Iterator[Stack]:
    """A stack whose services nobody stops; take `project` to have it empty."""
    with running_stack(state_folder / "acceptance") as one:
        yield one


@pytest.fixture
def project(busy_stack: Stack) -> Stack:
    """A project without users, traders and signals."""
    empty(busy_stack)
    return busy_stack


@pytest.fixture
def fragile_stack(state_folder: Path) -> Iterator[Stack]:
    """A stack for one test, which stops parts of it."""
    with running_stack(state_folder / f"fragile-{uuid4().hex[:8]}") as one:
        yield one


@pytest.fixture(scope="package")
async def busy_candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two symbols."""
    return await write_candles(tmp_path_factory.mktemp("busy"), SYMBOLS, MINUTES, seed=11)


@pytest.fixture(scope="package")
def undisturbed(
    busy_stack: Stack, busy_candles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    """The busy trader's run over the busy candles, from its beginning to its end."""
    empty(busy_stack)
    add_trader(busy_stack, "busy", SYMBOLS)
    summary = up(busy_stack, tmp_path_factory.mktemp("undisturbed"), "--candles", str(busy_candles))
    assert summary["errors"] == []
    assert summary["positions_closed"] > 3
    return Undisturbed(summary, read_record(busy_stack))
