"""The story of one signal: everything that is on record of it in one order, from candle to fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from rich.console import Console

from cli.output import show
from cli.project import Database, database
from cli.queries import query
from shared.errors import InputError, NotFound
from shared.identity import from_ms, lowest_id, triggered_ms
from shared.settings import Settings, load
from workers.archive.cache import Cache, cache_folder
from workers.archive.cold import read_events
from workers.archive.listing import list_files
from workers.archive.question import ask
from workers.archive.reading import Scope
from workers.archive.records import SignalRecord
from workers.archive.store import Store, open_store

# What stands in for the order of things that happened in the same instant.
_RANKS = {"signal": 0, "event": 1, "snapshot": 2, "order": 3, "execution": 4, "position": 5}


async def read_story(name: str) -> dict[str, Any]:
    """The signal, its orders, the machines, and `story`: {at, kind, what, who, recorded_at, data} in order.

    name: the signal's id or human name; also of signals that live in the archive only. Raises NotFound.
    """
    settings = load()
    async with database(settings) as connection:
        signal, entries, is_archived = await _read_warm(connection, name)
        if signal is None:
            store = await open_store(settings)
            try:
                signal, entries = await _read_cold(settings, connection, store, name)
            finally:
                await store.close()
            is_archived = True
        for part in ("order_events", "executions", "positions"):
            rows = await (await connection.execute(query(f"signal_{part}"), {"id": signal["id"]})).fetchall()
            entries += _ENTRIES[part](rows)
        orders = await (await connection.execute(query("signal_orders"), {"id": signal["id"]})).fetchall()
        entries.append(_fired(signal))
        entries.sort(key=lambda one: (one["at"], _RANKS[one["kind"]], one["place"]))
        for one in entries:
            del one["place"]
        names = sorted({one["who"] for one in entries if one["who"]})
        machines = await (
            await connection.execute(
                query("machines_named"), {"names": names, "id": signal.get("machine_id")}
            )
        ).fetchall()
    fired_by = next(
        (row["machine_id"] for row in machines if str(row["id"]) == str(signal.get("machine_id"))), None
    )
    if fired_by is not None:
        entries[0]["who"] = fired_by
    return {
        "signal": signal,
        "archived": is_archived,
        "machines": [{name: row[name] for name in ("machine_id", "region", "version")} for row in machines],
        "orders": orders,
        "story": entries,
    }


def print_story(found: Mapping[str, Any]) -> None:
    """The story for people, a line an entry."""
    signal, console = found["signal"], Console(highlight=False, soft_wrap=True)
    console.print(
        f"{signal['symbol']} {signal['side']} {signal['interval']} of trader "
        f"{signal.get('trader') or signal['trader_id']} ({signal['id']}), user {signal['user_id']}",
        markup=False,
    )
    ended = f", {signal['outcome_code']}" if signal.get("outcome_code") else ""
    where = " (from the archive)" if found["archived"] else ""
    console.print(f"{signal['status']}{ended}{where}, P&L {show(signal.get('total_pnl'))}", markup=False)
    for machine in found["machines"]:
        console.print(
            f"machine {machine['machine_id']}: {show(machine['region'])}, version {show(machine['version'])}",
            markup=False,
        )
    for one in found["story"]:
        who = f" by {one['who']}" if one["who"] else ""
        data = ", ".join(f"{name} {show(value)}" for name, value in one["data"].items())
        stamp = one["at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        console.print(f"  {stamp}  {one['what']}{who}{'  ' + data if data else ''}", markup=False)


async def _read_warm(
    connection: Database, name: str
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], bool]:
    first, last, symbol = _bounds(name)
    found = await (
        await connection.execute(query("signal_find"), {"first": first, "last": last, "symbol": symbol})
    ).fetchall()
    if len(found) > 1:
        choices = ", ".join(f"{row['id']} ({row['trader']})" for row in found)
        raise InputError(f"several signals are named {name}: {choices}; give the id")
    if not found:
        return None, [], False
    entries: list[dict[str, Any]] = []
    for part in ("events", "snapshots"):
        rows = await (await connection.execute(query(f"signal_{part}"), {"id": found[0]["id"]})).fetchall()
        entries += _ENTRIES[part](rows)
    return found[0], entries, False


async def _read_cold(
    settings: Settings, connection: Database, store: Store, name: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    first, last, symbol = _bounds(name)
    at = from_ms(first.int >> 80)
    found: list[SignalRecord] = []
    files = await list_files(connection, first=at.date(), last=at.date(), kinds=["signals"])
    async for record in read_events(store, files):
        if first <= record.signal_id <= last and record.signal and symbol in (None, record.signal.symbol):
            found.append(record.signal)
    if not found:
        raise NotFound(f"there is no signal {name}, neither in the database nor in the archive")
    if len(found) > 1:
        raise InputError(f"several signals are named {name}: {', '.join(str(one.id) for one in found)}")
    one = found[0]
    scope = Scope(one.user_id, one.triggered_at, one.triggered_at + timedelta(milliseconds=1))
    cache = Cache(cache_folder(settings))

    async def rows(kind: str, id_column: str) -> list[dict[str, Any]]:
        text = f"select * from {kind} where {id_column} = '{one.id}'"  # noqa: S608 - the id is a UUID
        table = await ask(settings, store, cache, scope, text)
        return [_plain(row) for row in table.to_pylist()]

    (signal,) = await rows("signals", "id")
    events, snapshots = await rows("events", "signal_id"), await rows("snapshots", "signal_id")
    return signal, _ENTRIES["events"](events) + _ENTRIES["snapshots"](snapshots)


def _bounds(name: str) -> tuple[UUID, UUID, str | None]:
    try:
        one = UUID(name)
        triggered_ms(one)
    except ValueError:
        symbol, _, ms = name.rpartition("-")
        if not symbol or not ms.isdigit():
            raise InputError(
                f"{name!r} is neither a signal's id nor a name such as BTCUSDT-1759487400000"
            ) from None
        return lowest_id(int(ms)), lowest_id(int(ms) + 1), symbol
    return one, one, None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _fired(signal: Mapping[str, Any]) -> dict[str, Any]:
    names = ("symbol", "side", "interval", "initial_price", "source", "matched_conditions", "original_signal")
    return _entry(
        signal["triggered_at"],
        "signal",
        "fired",
        None,
        signal["created_at"],
        {name: signal.get(name) for name in names},
    )


def _entry(
    at: datetime,
    kind: str,
    what: str,
    who: str | None,
    recorded_at: Any,
    data: Mapping[str, Any],
    place: int = 0,
) -> dict[str, Any]:
    told = {name: value for name, value in data.items() if value not in (None, {}, [])}
    return {
        "at": at,
        "kind": kind,
        "what": what,
        "who": who,
        "recorded_at": recorded_at,
        "data": told,
        "place": place,
    }


def _of_events(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = (
        "from_status",
        "to_status",
        "event_data",
        "error_info",
        "order_id",
        "position_id",
        "execution_id",
    )
    return [
        _entry(
            row["occurred_at"],
            "event",
            row["event_type"],
            row["worker"],
            row["created_at"],
            {name: row[name] for name in names},
            row["number"],
        )
        for row in rows
    ]


def _of_snapshots(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = ("price", "volume", "price_change_1m", "price_change_5m", "confidence", "reasoning", "indicators")
    return [
        _entry(
            row["occurred_at"],
            "snapshot",
            f"watched: {row['action']}",
            None,
            row.get("created_at"),
            {name: row[name] for name in names},
            row["number"],
        )
        for row in rows
    ]


def _of_order_events(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _entry(
            row["occurred_at"],
            "order",
            f"order {row['event_type']}",
            row["worker"],
            row["created_at"],
            {"order_id": row["order_id"], "from_status": row["from_status"], "event_data": row["event_data"]},
            row["number"],
        )
        for row in rows
    ]


def _of_executions(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = (
        "order_id",
        "leg",
        "side",
        "amount",
        "price",
        "fee",
        "fee_currency",
        "is_maker",
        "venue_trade_id",
    )
    return [
        _entry(row["executed_at"], "execution", "filled", None, None, {name: row[name] for name in names})
        for row in rows
    ]


def _of_positions(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    opened = ("id", "side", "entry_amount", "entry_average", "initial_stop_loss", "take_profit")
    closed = ("id", "exit_reason", "exit_average", "fees", "realized_pnl")
    entries = []
    for row in rows:
        data = {name: row.get(name) for name in opened}
        entries.append(_entry(row["opened_at"], "position", "position opened", None, row["created_at"], data))
        if row["closed_at"] is not None:
            data = {name: row.get(name) for name in closed}
            entries.append(
                _entry(row["closed_at"], "position", "position closed", None, row["updated_at"], data, 1)
            )
    return entries


_ENTRIES = {
    "events": _of_events,
    "snapshots": _of_snapshots,
    "order_events": _of_order_events,
    "executions": _of_executions,
    "positions": _of_positions,
}
