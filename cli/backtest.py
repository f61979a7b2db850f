"""`sigtrail strategies backtest`: what strategies would have come to on recorded candles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.moments import moment
from cli.output import notes, print_json, to_json
from cli.project import ask, find_user, operator, run
from shared.errors import InputError
from shared.identity import floor_ms, from_ms
from shared.log import setup
from shared.models import MarketKind
from shared.money import ONE, ZERO, add, money
from workers.backtest.definition import Strategy, read_strategies
from workers.backtest.picture import draw
from workers.backtest.report import make_report
from workers.backtest.run import Backtest, Terms, find_missing, warm_up
from workers.signals.feeds.recorded import RecordedFeed, find_files

# A share of the whole after which somebody at a terminal wants to see something new.
SHOWN_STEP = 0.002
# What the database takes of one curve.
MOST_KEPT = 10_000


def backtest(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON files with traders, as `traders add` takes and `traders show` prints."),
    ],
    candles: Annotated[
        Path, typer.Option(help="The folder of recorded candles (<SYMBOL>_<interval>.parquet or .csv).")
    ],
    since: Annotated[
        str | None,
        typer.Option("--from", help="Begin at this market time, with what closed before as history."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End at this market time.")] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Only these of the traders' symbols: BTCUSDT,ETHUSDT.")
    ] = None,
    equity: Annotated[str, typer.Option(help="What the paper account begins with, in USDT.")] = "10000",
    leverage: Annotated[
        str | None,
        typer.Option(help="The most notional value of a position as a multiple of the equity; 1 without it."),
    ] = None,
    slippage: Annotated[
        str, typer.Option(help="By what share of the price a market order fills worse; a tick at least.")
    ] = "0.0001",
    points: Annotated[
        int, typer.Option(min=2, max=100_000, help="The most points of the equity curve.")
    ] = 1000,
    picture: Annotated[Path | None, typer.Option(help="Write the equity curve to this SVG file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write report.json and equity.svg to this folder.")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the report in the project, for --user.")] = False,
    user: Annotated[str | None, typer.Option(help="Whose it is when it is kept (email or id).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON document.")] = False,
) -> None:
    """Play strategies over recorded candles with the paper exchange, and report what they came to.

    All traders share one account, as live. No database is needed, and nothing is stored without --save.
    """
    if save != (user is not None):
        raise InputError("--save and --user belong together: --save --user ann@example.org")
    if save and points > MOST_KEPT:
        raise InputError(f"--points {points}: a curve that is kept has at most {MOST_KEPT} points")
    # What a desk warns of while it trades is no news of a market that is over.
    setup(level="error")
    if picture is not None and picture.suffix.lower() != ".svg":
        raise InputError(f"--picture {picture}: the picture is an SVG, name it {picture.stem}.svg")
    terms = Terms(
        equity=_amount("--equity", equity, least=ONE),
        leverage=None if leverage is None else _amount("--leverage", leverage, least=ONE),
        slippage=_amount("--slippage", slippage),
    )
    strategies = _choose([one for file in files for one in read_strategies(file)], symbols)
    made = run(run_backtest(strategies, candles, terms, since=since, until=until, points=points, watch=True))
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        _write(report / "report.json", to_json(made) + "\n")
        _write(report / "equity.svg", draw(made))
    if picture is not None:
        _write(picture, draw(made))
    if user is not None:
        kept = run(_keep(made, user))
        notes.print(f"kept as {kept} for {user}", soft_wrap=True, markup=False)
    if json:
        print_json(made)
    else:
        _print(made)


async def _keep(report: dict[str, Any], user: str) -> str:
    """Store a report for a user; answers its id."""
    async with operator() as client:
        owner = await find_user(client, user)
        told = {"report": report, "owner": owner["id"]}
        return str(await ask("save_backtest", client.rpc("save_backtest", told).execute))


async def run_backtest(
    strategies: list[Strategy],
    folder: Path,
    terms: Terms,
    *,
    since: str | None = None,
    until: str | None = None,
    points: int = 1000,
    watch: bool = False,
) -> dict[str, Any]:
    """Play strategies over a folder's candles and answer the report. Raises InputError for what cannot be
    played; `watch` shows on standard error how far it is."""
    market = _market_of(strategies, folder)
    symbols = sorted({symbol for one in strategies for symbol in one.symbols})
    bases = {symbol: interval for symbol, (_, interval) in find_files(folder, symbols).items()}
    if (missing := find_missing(strategies, bases)) is not None:
        raise InputError(missing)
    begin = None if since is None else floor_ms(moment(since))
    end = None if until is None else floor_ms(moment(until))
    if begin is not None and end is not None and begin >= end:
        raise InputError(f"--from {since} is not before --until {until}")
    feed = RecordedFeed(
        folder,
        market=market,
        symbols=symbols,
        since_ms=None if begin is None else begin - warm_up(strategies),
        until_ms=end,
    )
    await feed.open()
    try:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(), console=notes, transient=True, disable=not (watch and notes.is_terminal),
        ) as progress:  # fmt: skip
            task = progress.add_task(f"{len(strategies)} traders, {len(symbols)} symbols", total=1.0)
            shown = 0.0

            def show(at_ms: int, share: float) -> None:
                nonlocal shown
                if share >= shown + SHOWN_STEP:
                    shown = share
                    progress.update(task, completed=share, description=f"{from_ms(at_ms):%Y-%m-%d %H:%M}")

            test = Backtest(strategies, feed, terms, since_ms=begin, most_points=points, on_progress=show)
            return make_report(await test.run(), feed)
    finally:
        await feed.close()


def _choose(strategies: list[Strategy], symbols: str | None) -> list[Strategy]:
    """The traders, on those of their symbols that were named."""
    ids = [one.id for one in strategies]
    if doubled := [one.name for one in strategies if ids.count(one.id) > 1]:
        raise InputError(f"trader {doubled[0]} is given twice")
    if symbols is None:
        return strategies
    named = {one.strip().upper() for one in symbols.split(",") if one.strip()}
    chosen = []
    for one in strategies:
        kept = tuple(symbol for symbol in one.symbols if symbol in named)
        if not kept:
            raise InputError(f"trader {one.name} watches none of {symbols}: {', '.join(one.symbols)}")
        chosen.append(one.model_copy(update={"symbols": kept}))
    return chosen


def _market_of(strategies: list[Strategy], folder: Path) -> MarketKind:
    markets = {one.market for one in strategies}
    if len(markets) > 1:
        raise InputError("these traders trade spot and usdm: test those of each market apart")
    market = markets.pop()
    if market == "usdm" and "spot" in folder.name.lower():
        raise InputError(f"{folder} has candles of spot, and trader {strategies[0].name} trades usdm")
    return market


def _amount(option: str, given: str, least: Decimal = ZERO) -> Decimal:
    try:
        amount = money(given)
    except ValueError:
        amount = Decimal(-1)
    if amount < least:
        raise InputError(f"{option} {given!r} is no amount from {least} on: write 10000 or 0.0001")
    return amount


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    notes.print(f"wrote {path}", soft_wrap=True, markup=False)


def _print(report: dict[str, Any]) -> None:
    """The report for people."""
    # Wider than any terminal: a number that is cut is none.
    console = Console(highlight=False, width=1000)
    figures, terms = report["figures"], report["terms"]
    console.print(
        f"{report['candles']:,} candles of {', '.join(report['symbols'])}, "
        f"{report['starts_at'][:16]} to {report['ends_at'][:16]} UTC"
    )
    if report["candles_refused"] or report["candles_missing"]:
        refused = sum(report["candles_refused"].values())
        console.print(f"{refused} candles refused, {report['candles_missing']} missing")
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ("", "SIGNALS", "TRADES", "WON", "PROFIT", "FEES", "FACTOR", "DRAWDOWN", "SHARPE", "IN MARKET")
    for place, heading in enumerate(headings):
        table.add_column(heading, no_wrap=True, justify="right" if place else "left")
    if len(report["traders"]) > 1:
        for one in report["traders"]:
            table.add_row(*_row(one["trader"]["name"], one["figures"]))
    table.add_row(*_row(report["name"], figures))
    console.print(table, soft_wrap=True)
    ends = ", ".join(f"{count} {code}" for code, count in sorted(figures["signals_by_outcome"].items()))
    console.print(f"signals ended by: {ends or 'none ended'}")
    console.print(
        f"{terms['equity']} {terms['currency']} became "
        f"{add(money(terms['equity']), money(figures['profit'])):.2f}; fees {terms['maker_fee']} maker, "
        f"{terms['taker_fee']} taker, slippage {terms['slippage']} of the price; no funding, no liquidation"
    )


def _row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    rate, exposure = figures["win_rate"], Decimal(figures["exposure"])
    return (
        name,
        str(figures["signals"]),
        str(figures["trades"]) + (f" +{figures['open']} open" if figures["open"] else ""),
        "-" if rate is None else f"{Decimal(rate) * 100:.1f} %",
        f"{money(figures['profit']):+.2f}",
        f"{money(figures['fees']):.2f}",
        figures["profit_factor"] or "-",
        f"{money(figures['max_drawdown_percent']):.2f} %",
        figures["sharpe"] or "-",
        f"{exposure * 100:.1f} %",
    )
