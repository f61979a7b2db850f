"""`sigtrail up`: a machine with every role, in front of the user's eyes."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.live import Live

from cli.analyst import OPTION_HELP, greet_analyst, with_analyst
from cli.candles import Opened, Source, open_feed
from cli.console import open_console
from cli.demo import EMAIL, ensure_demo, open_demo
from cli.output import notes, print_json
from cli.overview import Rates, Record, list_faults, one_line, panel, read_record
from cli.partitions import open_days, runs
from cli.project import Database, ask, database, operator, run
from cli.queries import query
from cli.running import machine_folder, run_machine
from cli.venue import FAKES, PAPER, FakeVenue, check_venue, ensure_account, open_fake
from shared.clock import WallClock
from shared.errors import ConfigurationError, InputError, Refused, SigtrailError
from shared.identity import from_ms
from shared.settings import Settings, load
from workers.machine import PIPELINE, Machine, build
from workers.signals.feeds.feed import Feed
from workers.signals.feeds.recorded import RecordedFeed
from workers.signals.feeds.simulated import SimulatedFeed

LINE_SECONDS = 5.0
FRAME_SECONDS = 1.0


def up(
    candles: Annotated[
        Path | None,
        typer.Option(help="Replay the candles of this folder (<SYMBOL>_<interval>.parquet or .csv)."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Begin a replay at this market time; the candles before it are known as history."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Stop a replay at this market time.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.1, help="Stop by itself after so many seconds.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.001, help="Replay at this multiple of real time; as fast as possible without."),
    ] = None,
    symbols: Annotated[str | None, typer.Option(help="Only these, such as BTCUSDT,ETHUSDT.")] = None,
    venue: Annotated[
        str,
        typer.Option(
            help=f"Where the demo trades: {', '.join((PAPER, *FAKES))}. A fake venue is a process of its own"
            " that speaks the real one's wire on TLS, with imagined money."
        ),
    ] = PAPER,
    analyst: Annotated[str | None, typer.Option(help=OPTION_HELP)] = None,
    source: Annotated[
        str, typer.Option("--feed", help="Where live candles come from, as ccxt names it.")
    ] = "binance",
    simulate: Annotated[bool, typer.Option("--simulate", help="Use a simulated market, no venue.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON summary at the end.")] = False,
) -> None:
    """Run a machine with every role, and show what happens. Ctrl-C stops it; nothing is lost."""
    check_venue(venue)
    feed = Source(
        candles=candles,
        since=since,
        until=until,
        speed=speed,
        symbols=symbols,
        venue=source,
        simulate=simulate,
    )
    summary = run(_main_job(feed, venue, analyst, seconds, quiet=json))
    if json:
        print_json(summary)
    else:
        _print(summary)
    if summary["errors"] or summary["orders_unresolved"] or summary["positions_unprotected"]:
        raise typer.Exit(1)


async def _main_job(
    source: Source, venue: str, analyst: str | None, seconds: float | None, *, quiet: bool
) -> dict[str, Any]:
    settings = with_analyst(load(), analyst)
    await greet_analyst(settings)
    async with AsyncExitStack() as running:
        machine, feed = await _open_machine(source, venue, settings, running)
        await _watch_over(machine, feed, settings, seconds, quiet=quiet)
    for fault in list_faults(feed.gate):
        notes.print(fault, soft_wrap=True, markup=False)
    return await _summary(machine, feed, settings)


async def _open_machine(
    source: Source, venue: str, settings: Settings, running: AsyncExitStack
) -> tuple[Machine, Feed]:
    """The machine on its feed, with what has to run beside it in `running`. Nobody else keeps the candles
    that warm it up: it lets go of them one by one."""
    opened = await open_feed(source, notes)
    feed = opened.feed
    async with AsyncExitStack() as closing:
        # From `build` on the feed is the machine's to close.
        closing.push_async_callback(feed.close)
        fake = None
        if venue != PAPER:
            fake = await running.enter_async_context(open_fake(venue, feed.market, settings))
            await fake.remote("list", market=feed.market, symbols=sorted(feed.symbols))
            settings = fake.settings
        demo = await _make_demo(opened, venue, fake)
        await _open_past_days(feed)
        machine = await build(
            settings,
            feed=feed,
            warm=opened.warm,
            longer=opened.longer,
            replaying=feed.kind != "live",
            state=machine_folder(settings),
            paper=machine_folder(settings, "paper"),
            watch=await _watched_users(),
            roles=_roles(settings),
            venue=None if fake is None else fake.courier,
            observed=True,
            shared=source.venue if source.chosen is None else None,
        )
        closing.pop_all()
    notes.print(feed.description, soft_wrap=True)
    if isinstance(feed, SimulatedFeed):
        began = f"{from_ms(feed.start_ms):%Y-%m-%d}"
        notes.print(f"what happened since {began} goes by at once; from then on a minute takes a minute")
    await _show_console(running, settings, demo=demo)
    return machine, feed


async def _show_console(running: AsyncExitStack, settings: Settings, *, demo: bool) -> None:
    """Serve the console as long as the machine runs, and say where, and how to sign in as the demo."""
    try:
        address = await running.enter_async_context(open_console(settings))
    except ConfigurationError as error:  # signals and orders need no screen
        notes.print(f"no console: {error}", soft_wrap=True, markup=False)
        return
    entry = ""
    if demo:
        file = machine_folder(settings, "demo-password")
        try:
            await open_demo(file)
        except Refused as error:
            notes.print(f"nobody can sign in as the demo: {error}", soft_wrap=True, markup=False)
        else:
            shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
            entry = f", sign in as {EMAIL} with the password in {shown}"
    notes.print(f"the console is at {address}{entry}", soft_wrap=True, markup=False)


async def _make_demo(opened: Opened, venue: str, fake: FakeVenue | None) -> bool:
    """Answers whether this project is the demo's."""
    market = opened.feed.market
    make = None if fake is None else partial(ensure_account, fake)
    made = await ensure_demo(opened.feed.symbols, opened.interval, market, make)
    if made:
        account = "a paper account" if fake is None else f"an account at {venue}"
        notes.print(f"made {len(made)} demo traders with {account}: {', '.join(made)}", soft_wrap=True)
    if fake is not None:
        notes.print(f"{venue} plays {fake.played} at {fake.remote.resolver} (process {fake.remote.pid})")
        if made is None:
            notes.print("this project has traders of its own: they trade their own accounts, not this venue")
    return made is not None


def _roles(settings: Settings) -> tuple[str, ...]:
    """Every role; the archive where it has what it needs, since a hosted project may seal elsewhere."""
    if settings.sigtrail_seal_key is not None and settings.supabase_db_url is not None:
        return (*PIPELINE, "archive")
    notes.print("nothing is sealed or archived here: SIGTRAIL_SEAL_KEY or SUPABASE_DB_URL is not set")
    return PIPELINE


async def _watch_over(
    machine: Machine, feed: Feed, settings: Settings, seconds: float | None, *, quiet: bool
) -> None:
    """Run the machine and show it meanwhile."""
    view = asyncio.create_task(_show(machine, feed, settings, quiet=quiet))
    try:
        await run_machine(machine, seconds)
    finally:
        view.cancel()
        with suppress(asyncio.CancelledError):
            await view


async def _show(machine: Machine, feed: Feed, settings: Settings, *, quiet: bool) -> None:
    """Show the run: a live screen in a terminal, a line every few seconds elsewhere."""
    rates, record = Rates(), Record()
    screen = Console(stderr=quiet)
    connection: Database | None = None

    async def look() -> tuple[Record, tuple[float, float]]:
        nonlocal connection, record
        try:
            if connection is None or connection.closed:
                connection = await held.enter_async_context(database(settings))
            record = await read_record(connection)
        except (psycopg.Error, SigtrailError) as error:  # it waits for the database as the machine does
            notes.print(f"the view could not be refreshed: {error}", markup=False, soft_wrap=True)
        status = machine.status
        return record, rates.update(status.candles, status.count("signals", "inserted"))

    async with AsyncExitStack() as held:
        if not screen.is_terminal:
            while True:
                await asyncio.sleep(LINE_SECONDS)
                seen, speed = await look()
                line = one_line(machine.status, feed.gate, seen, speed)
                screen.print(line, soft_wrap=True, markup=False, highlight=False)
        title = f"Sigtrail · {feed.kind}"
        with Live(console=screen, auto_refresh=False, transient=False) as live:
            while True:
                seen, speed = await look()
                live.update(panel(title, machine.status, feed.gate, seen, speed), refresh=True)
                await asyncio.sleep(FRAME_SECONDS)


async def _summary(machine: Machine, feed: Feed, settings: Settings) -> dict[str, Any]:
    """The run in one document. Counts of this run come from the machine, all others from the record."""
    async with database(settings) as connection:
        record = await read_record(connection)
        row = await (await connection.execute(query("outcomes"))).fetchone() or {}
    status = machine.status
    return {
        "candles": status.candles,
        "candles_refused": dict(sorted(feed.gate.refused.items())),
        "candles_missing": feed.gate.missing,
        "traders_unfit": status.count("signals", "unfit"),
        "signals": row.get("signals", 0),
        "inserted": status.count("signals", "inserted"),
        "duplicates": status.count("signals", "duplicates"),
        "rejected": status.count("signals", "rejected"),
        "events": row.get("events", 0),
        "signals_by_status": row.get("signals_by_status", {}),
        "signals_by_outcome": row.get("signals_by_outcome", {}),
        "orders": record.orders,
        "orders_unresolved": record.orders_unresolved,
        "positions_open": record.positions_open,
        "positions_closed": record.positions_closed,
        "positions_unprotected": record.positions_unprotected,
        "realized_pnl": _money(record.realized_pnl),
        "fees": _money(record.fees),
        "trigger_to_subscriber_ms": status.latency.to_json(),
        "market_time": status.market_time,
        "errors": list(status.errors),
    }


async def _open_past_days(feed: Feed) -> None:
    """Room for signals of days that are over."""
    for first, last in runs(_past_days(feed)):
        days = await open_days(first.isoformat(), last.isoformat())
        opened = sorted(row["day"] for row in days if row["opened"])
        if opened:
            some = "1 day" if len(opened) == 1 else f"{len(opened)} days"
            notes.print(f"made room for {some} of history, {opened[0]} to {opened[-1]}")


def _past_days(feed: Feed) -> list[date]:
    if isinstance(feed, RecordedFeed):
        return feed.days
    if isinstance(feed, SimulatedFeed):
        first, last = from_ms(feed.start_ms).date(), WallClock().now().date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return []


async def _watched_users() -> list[str]:
    """The owners of active traders, a few of them: their subscriptions are what latency is measured by."""
    async with operator() as client:
        query = client.table("traders").select("user_id").eq("status", "active")
        rows = await ask("traders", query.execute)
    users = sorted({row["user_id"] for row in rows})
    if not users:
        raise InputError("no trader is active: add one with `sigtrail traders add` or resume one")
    return users[:5]


def _money(amount: Decimal) -> str:
    return format(amount, "f")


def _print(summary: dict[str, Any]) -> None:
    """The end of a run for people."""
    console = Console(highlight=False, soft_wrap=True)
    statuses = ", ".join(f"{count} {name}" for name, count in sorted(summary["signals_by_status"].items()))
    console.print(
        "{candles} candles, {inserted} signals recorded, {duplicates} known, {rejected} rejected".format(
            **summary
        )
    )
    console.print(f"on record: {summary['signals']} signals ({statuses}), {summary['events']} events")
    console.print(
        "{orders} orders ({orders_unresolved} unresolved), {positions_closed} positions closed".format(
            **summary
        )
    )
    console.print("{positions_open} positions open ({positions_unprotected} unprotected)".format(**summary))
    earned, fees = Decimal(summary["realized_pnl"]), Decimal(summary["fees"])
    console.print(f"realized P&L {earned:+.2f} USDT after {fees:.2f} in fees")
    for error in summary["errors"]:
        notes.print(error, markup=False)
    if sys.stdout.isatty():
        console.print("look closer: ./scripts/sigtrail signals list, … positions list, … doctor")
