"""What `up` shows: the machine's own counts, and what the record says, read once a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.output import show
from cli.project import Database
from cli.queries import query
from shared.candles import Gate
from shared.identity import from_ms
from workers.status import Status

STATUSES = ("new", "analyzing", "rejected", "monitoring", "ready", "in_position", "closed", "expired")
SHOWN_FAULTS = 5


@dataclass(slots=True)
class Record:
    """What the database says now."""

    signals_by_status: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    orders_unresolved: int = 0
    positions_open: int = 0
    positions_closed: int = 0
    # Without a confirmed stop at this moment; and those of them that nobody is about to protect.
    positions_unprotected: int = 0
    positions_left_unprotected: int = 0
    realized_pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    open: list[dict[str, Any]] = field(default_factory=list)

    @property
    def protection(self) -> str:
        """Whether what is open is protected, in words. A stop leaves when its entry's fill is known: until it
        is confirmed, the position is being protected."""
        if self.positions_left_unprotected:
            return f"{self.positions_left_unprotected} UNPROTECTED"
        waiting = self.positions_unprotected
        return f"{waiting} being protected" if waiting else "all protected"


async def read_record(connection: Database) -> Record:
    """Ask the database for everything that is shown."""
    row = await (await connection.execute(query("overview"))).fetchone()
    held = await (await connection.execute(query("positions_open"))).fetchall()
    return Record(**row, open=held) if row is not None else Record()


class Rates:
    """Candles and signals a second, over the last few readings."""

    def __init__(self) -> None:
        # From nothing at the start, so that the first line tells a rate too.
        self._readings: list[tuple[float, int, int]] = [(time.monotonic(), 0, 0)]

    def update(self, candles: int, signals: int) -> tuple[float, float]:
        """Take the totals of now; answers both rates."""
        self._readings = [*self._readings[-5:], (time.monotonic(), candles, signals)]
        (t0, c0, s0), (t1, c1, s1) = self._readings[0], self._readings[-1]
        if t1 <= t0:
            return 0.0, 0.0
        return (c1 - c0) / (t1 - t0), (s1 - s0) / (t1 - t0)


def describe_faults(gate: Gate) -> str:
    """What was wrong with the candles so far, in a few words; empty when nothing was."""
    parts = []
    if gate.refused:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(gate.refused.items()))
        parts.append(f"refused {gate.refused.total()} ({reasons})")
    if gate.missing:
        parts.append(f"missing {gate.missing}")
    return ", ".join(parts)


def list_faults(gate: Gate) -> list[str]:
    """The same at the end of a run, with the first few candles of each kind by name."""
    lines = []
    if gate.refused:
        lines.append(f"{gate.refused.total()} candles were refused, the others used:")
        for one in gate.refusals[:SHOWN_FAULTS]:
            moment = "" if one.open_ms < 0 else f" {from_ms(one.open_ms):%Y-%m-%d %H:%M}"
            lines.append(f"  {one.symbol} {one.interval}{moment}: {one.reason}, {one.detail}")
    if gate.missing:
        lines.append(f"{gate.missing} candles are missing:")
        for gap in gate.gaps[:SHOWN_FAULTS]:
            after, before = (f"{from_ms(ms):%Y-%m-%d %H:%M}" for ms in (gap.after_ms, gap.before_ms))
            lines.append(f"  {gap.symbol} {gap.interval}: {gap.missing} between {after} and {before}")
    return lines


def one_line(status: Status, gate: Gate, record: Record, rates: tuple[float, float]) -> str:
    """The state of the run in one line, for logs and pipes."""
    held = " ".join(
        f"{name}={record.signals_by_status[name]}" for name in STATUSES if record.signals_by_status.get(name)
    )
    faults = describe_faults(gate)
    candles = f"{status.candles} candles ({rates[0]:.0f}/s)" + (f", {faults}" if faults else "")
    return (
        f"{_moment(status)}  {candles}  signals: {held or 'none yet'}  "
        f"open {record.positions_open}{f' ({record.protection})' if record.positions_open else ''}  "
        f"closed {record.positions_closed}  P&L {record.realized_pnl:+.2f} USDT  fees {record.fees:.2f}"
        + (f"  trigger to subscriber {_describe_latency(status)}" if status.latency.count else "")
    )


def panel(
    title: str, status: Status, gate: Gate, record: Record, rates: tuple[float, float]
) -> RenderableType:
    """The state of the run as a screen."""
    fresh, known = (status.count("signals", name) for name in ("inserted", "duplicates"))
    facts = Table.grid(padding=(0, 3))
    facts.add_row(
        "market time", f"[bold]{_moment(status)}[/]", "candles", f"{status.candles:,} ({rates[0]:,.0f}/s)"
    )
    facts.add_row(
        "signals",
        f"{fresh:,} new, {known:,} known ({rates[1]:,.1f}/s)",
        "trigger to subscriber",
        _describe_latency(status) if status.latency.count else "nothing fired yet",
    )
    pnl = f"[{'green' if record.realized_pnl >= 0 else 'red'}]{record.realized_pnl:+.2f} USDT[/]"
    facts.add_row(
        "realized P&L",
        f"{pnl} after {record.fees:.2f} in fees",
        "positions",
        f"{record.positions_open} open, {record.positions_closed} closed, "
        + (f"[bold red]{record.protection}[/]" if record.positions_left_unprotected else record.protection),
    )
    facts.add_row("orders", f"{record.orders:,}", "unresolved", str(record.orders_unresolved))
    parts: list[RenderableType] = [facts, Text(), _bars(record.signals_by_status)]
    if record.open:
        parts += [Text(), _held(record.open)]
    if faults := describe_faults(gate):
        parts.append(Text(f"candles: {faults}", style="yellow"))
    for error in status.errors[-3:]:
        parts.append(Text(error, style="red"))
    return Panel(Group(*parts), title=title, border_style="cyan")


def _describe_latency(status: Status) -> str:
    latency = status.latency.to_json()
    return f"p50 {latency['p50']} ms, p95 {latency['p95']} ms"


def _bars(counts: dict[str, int]) -> Table:
    table = Table.grid(padding=(0, 2))
    most = max(counts.values(), default=0)
    for name in STATUSES:
        count = counts.get(name, 0)
        width = round(40 * count / most) if most else 0
        table.add_row(name, f"{count:,}", "[cyan]" + "━" * (width or (1 if count else 0)) + "[/]")
    return table


def _held(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (
        "OPEN SINCE",
        "SYMBOL",
        "SIDE",
        "AMOUNT",
        "ENTRY",
        "STOP LOSS",
        "TAKE PROFIT",
        "PROTECTED",
    ):
        table.add_column(heading)
    for row in rows:
        fields = ("opened_at", "symbol", "side", "amount", "entry_average", "stop_loss", "take_profit")
        mark = "[green]yes[/]" if row["protected"] else "soon"
        if row["left_unprotected"]:
            mark = f"[bold red]no ({row['status']})[/]"
        table.add_row(*(show(row[name]) for name in fields), mark)
    return table


def _moment(status: Status) -> str:
    return "-" if status.market_time is None else status.market_time.strftime("%Y-%m-%d %H:%M")
