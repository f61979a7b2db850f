"""A first user with a paper account and a handful of strategies, for a project that is still empty."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from supabase import AsyncClient
from supabase_auth.errors import AuthApiError

from cli.accounts import create_paper_account
from cli.project import ask, operator
from cli.users import create_user
from shared.candles import interval_ms
from shared.errors import Refused

EMAIL = "demo@sigtrail.local"


@dataclass(frozen=True, slots=True)
class Strategy:
    """One demo trader: when it fires, and how its signals are traded."""

    name: str
    steps: int  # length of its candles, counted in those of the feed
    side: str
    conditions: tuple[str, ...]
    sizing: tuple[str, str]
    stop_loss: tuple[str, str]
    take_profit: tuple[str, str]
    positions: int = 2


STRATEGIES = (
    Strategy(
        "Oversold with volume",
        5,
        "long",
        ("RSI(14) < 30 and volume > 2 * SMA(volume, 20)",),
        ("risk_based", "0.5"),
        ("atr", "2"),
        ("atr", "3"),
    ),
    Strategy(
        "Overbought with volume",
        5,
        "short",
        ("RSI(14) > 70 and volume > 2 * SMA(volume, 20)",),
        ("risk_based", "0.5"),
        ("atr", "2"),
        ("atr", "3"),
    ),
    Strategy(
        "Breakout of four hours",
        15,
        "long",
        ("close > HIGHEST(high, 16)[1]", "volume > 1.5 * SMA(volume, 20)", "ADX(14) > 18"),
        ("fixed", "400"),
        ("percentage", "0.9"),
        ("percentage", "1.8"),
        3,
    ),
    Strategy(
        "Breakdown of four hours",
        15,
        "short",
        ("close < LOWEST(low, 16)[1]", "volume > 1.5 * SMA(volume, 20)", "ADX(14) > 18"),
        ("fixed", "400"),
        ("percentage", "0.9"),
        ("percentage", "1.8"),
        3,
    ),
    Strategy(
        "Pullback in a rising trend",
        15,
        "long",
        ("EMA(20) > EMA(60)", "close < EMA(20)", "RSI(14) > 35 and RSI(14) < 48"),
        ("percentage", "4"),
        ("percentage", "1.2"),
        ("percentage", "2.0"),
        3,
    ),
    Strategy(
        "Rally in a falling trend",
        15,
        "short",
        ("EMA(20) < EMA(60)", "close > EMA(20)", "RSI(14) < 65 and RSI(14) > 52"),
        ("percentage", "4"),
        ("percentage", "1.2"),
        ("percentage", "2.0"),
        3,
    ),
    Strategy(
        "Panic on a small frame",
        1,
        "long",
        ("RSI(14) < 18 and volume > 4 * SMA(volume, 30)",),
        ("fixed", "250"),
        ("percentage", "0.7"),
        ("percentage", "1.0"),
    ),
    Strategy(
        "Squeeze that opens upwards",
        60,
        "long",
        ("close > BBANDS_UPPER(close, 20, 2)", "ADX(14) < 25", "volume > SMA(volume, 20)"),
        ("percentage", "5"),
        ("percentage", "1.5"),
        ("percentage", "3.0"),
    ),
    Strategy(
        "Swing from an hourly low",
        60,
        "long",
        ("RSI(14) < 36 or close < BBANDS_LOWER(close, 20, 2)",),
        ("percentage", "3"),
        ("atr", "2.5"),
        ("atr", "5"),
    ),
    Strategy(
        "Swing from an hourly high",
        60,
        "short",
        ("RSI(14) > 64 or close > BBANDS_UPPER(close, 20, 2)",),
        ("percentage", "3"),
        ("atr", "2.5"),
        ("atr", "5"),
    ),
    Strategy(
        "Turn of four hours, upwards",
        240,
        "long",
        ("crosses_above(close, SMA(close, 10)) or RSI(14) < 40",),
        ("percentage", "3"),
        ("atr", "2"),
        ("atr", "4"),
    ),
    Strategy(
        "Turn of four hours, downwards",
        240,
        "short",
        ("crosses_below(close, SMA(close, 10)) or RSI(14) > 60",),
        ("percentage", "3"),
        ("atr", "2"),
        ("atr", "4"),
    ),
)


def trader_id(name: str, interval: str) -> UUID:
    """The same id on every machine, so that a replay on an empty project makes the same signals."""
    return uuid5(NAMESPACE_URL, f"https://sigtrail.dev/demo/{name}/{interval}")


def interval_of(base: str, steps: int) -> str | None:
    """The interval that is `steps` candles of `base` long, if there is one."""
    length = interval_ms(base) * steps
    known = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")
    return next((name for name in known if interval_ms(name) == length), None)


# Makes a user's account on a market, and answers its id.
MakeAccount = Callable[[str, str], Awaitable[str]]


async def ensure_demo(
    symbols: Iterable[str], base: str, market: str, make_account: MakeAccount | None = None
) -> list[str] | None:
    """Make the demo's user, account and traders for these symbols, unless the project has traders of its own.

    The account is a paper account, or what `make_account` makes; traders of an earlier run trade it from now
    on. Answers the names of the traders that were made now, None in a project that has its own.
    """
    async with operator() as client:
        others = await ask(
            "traders",
            client.table("traders").select("id,user_id,default_exchange_account_id,users(email)").execute,
        )
        if any((row.get("users") or {}).get("email") != EMAIL for row in others):
            return None
        user = await _demo_user(client)
        make = make_account or partial(_make_paper_account, client)
        account = await make(user["id"], market)
        rows = list(_rows(user["id"], account, sorted(symbols), base, market))
        known = {row["id"] for row in others}
        moved = [row["id"] for row in others if row["default_exchange_account_id"] != account]
        if moved:
            update = {"default_exchange_account_id": account}
            await ask("traders", client.table("traders").update(update).in_("id", moved).execute)
        fresh = [row for row in rows if row["id"] not in known]
        if fresh:
            await ask("traders", client.table("traders").insert(fresh).execute)
        return [row["name"] for row in fresh]


async def open_demo(file: Path) -> None:
    """See that the demo's user can sign in with the password in this file (mode 600).

    A password that is missing is made; one that is there stays. Raises Refused when the project takes none.
    """
    if file.exists():  # noqa: ASYNC240 - a small file of this machine
        return
    password = secrets.token_urlsafe(12)
    async with operator() as client:
        user = await _demo_user(client)
        try:
            await client.auth.admin.update_user_by_id(user["id"], {"password": password})
        except AuthApiError as error:
            raise Refused(f"the demo's password: {error.message}", code=error.code) from error
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as text:
        text.write(password + "\n")


async def _make_paper_account(client: AsyncClient, user: str, market: str) -> str:
    # It protects positions as Binance's futures do, so that one venue comes to the same as the other.
    account = await create_paper_account(client, user, f"Paper {market}", "10000", market, attached=False)
    return str(account["id"])


async def _demo_user(client: AsyncClient) -> dict[str, Any]:
    rows = await ask("users", client.table("users").select("*").eq("email", EMAIL).execute)
    # Whoever wants to sign in as the demo asks for a password of their own: see open_demo.
    return dict(rows[0]) if rows else await create_user(EMAIL, secrets.token_urlsafe(24), "elite")


def _rows(user: str, account: str, symbols: list[str], base: str, market: str) -> Iterable[dict[str, Any]]:
    for strategy in STRATEGIES:
        interval = interval_of(base, strategy.steps)
        if interval is None or (market == "spot" and strategy.side == "short"):
            continue
        yield {
            "id": str(trader_id(strategy.name, interval)),
            "user_id": user,
            "name": strategy.name,
            "market": market,
            "symbols": symbols,
            "interval": interval,
            "side": strategy.side,
            "strategy": strategy.name,
            "conditions": list(strategy.conditions),
            "status": "active",
            "ai_analysis_limit": None,
            "default_exchange_account_id": account,
            "position_size_type": strategy.sizing[0],
            "position_size_value": strategy.sizing[1],
            "max_concurrent_positions": strategy.positions,
            "stop_loss_type": strategy.stop_loss[0],
            "stop_loss_value": strategy.stop_loss[1],
            "take_profit_type": strategy.take_profit[0],
            "take_profit_value": strategy.take_profit[1],
            # As often as its candles close, within an hour: that is when it looks for an entry.
            "monitoring_interval_seconds": min(max(300, interval_ms(interval) // 1000), 3600),
        }
