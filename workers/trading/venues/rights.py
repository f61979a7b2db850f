"""What a key may do, as its venue says it. Each venue says it in its own words; here they become one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from ccxt.base.errors import AuthenticationError, BaseError, PermissionDenied

from shared.errors import InputError, SigtrailError
from shared.identity import from_ms
from shared.redaction import redact
from workers.trading.venues.capabilities import TABLE
from workers.trading.venues.venue import ccxt_class


class RightsUnknown(SigtrailError):
    """The venue did not say what the key may do: it refused the key, or gave no answer that can be used."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a key may do. `ip_restricted` is None where the venue does not say; `holder` is the venue's own
    number of the account, which tells whether two keys are of one account."""

    may_read: bool
    may_trade: bool
    may_withdraw: bool
    ip_restricted: bool | None = None
    addresses: tuple[str, ...] = ()
    expires_at: datetime | None = None
    holder: str | None = None
    # Other rights that move money, by the venue's names.
    others: tuple[str, ...] = ()

    @property
    def permissions(self) -> str:
        """What an account with this key is marked as."""
        return "trade" if self.may_trade else "read"

    def to_json(self, asked_at: datetime) -> dict[str, Any]:
        """For the account's `key_info`: never anything of the key itself."""
        return {
            "may_trade": self.may_trade,
            "may_withdraw": self.may_withdraw,
            "ip_restricted": self.ip_restricted,
            "addresses": list(self.addresses[:20]),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "holder": self.holder,
            "others": list(self.others),
            "asked_at": asked_at.isoformat(),
        }


async def ask_rights(
    venue: str,
    market: str,
    *,
    sandbox: bool,
    keys: Mapping[str, str],
    sessions: Callable[[], aiohttp.ClientSession] | None = None,
) -> Rights:
    """Ask a venue, by ccxt's name, what these keys may do on a market (spot or usdm).

    Raises RightsUnknown when the venue refuses the keys or does not answer, InputError for a venue that
    cannot be asked.
    """
    if venue not in _QUESTIONS:
        raise InputError(
            f"nobody knows how to ask {venue} what a key may do: use {', '.join(sorted(_QUESTIONS))}"
        )
    if (venue, market) not in TABLE:
        markets = ", ".join(one for name, one in TABLE if name == venue)
        raise InputError(f"{venue} is traded on {markets} here, not on {market}")
    async with AsyncExitStack() as opened:
        config: dict[str, Any] = {**keys, "enableRateLimit": True}
        config["options"] = {"defaultType": "swap" if market == "usdm" else "spot", "maxRetriesOnFailure": 0}
        if sessions is not None:
            # ccxt closes its own sessions only.
            config["session"] = await opened.enter_async_context(sessions())
        exchange = ccxt_class(venue)(config)
        opened.push_async_callback(exchange.close)
        if sandbox and market == "usdm" and venue.startswith("binance"):
            # Binance's futures have left their old sandbox for the demo.
            exchange.enable_demo_trading(True)
        elif sandbox:
            exchange.set_sandbox_mode(True)
        return await _ask(exchange, market, sandbox)


async def _ask(exchange: Any, market: str, sandbox: bool) -> Rights:
    try:
        return await _QUESTIONS[exchange.id](exchange, market, sandbox)
    except (AuthenticationError, PermissionDenied) as error:
        raise RightsUnknown(f"{exchange.id} does not accept the key: {_text(error)}") from None
    except BaseError as error:
        raise RightsUnknown(f"{exchange.id} did not say what the key may do: {_text(error)}") from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RightsUnknown(
            f"{exchange.id} answered the question for the key's rights with something else:"
            f" {type(error).__name__} {_text(error)}"
        ) from None


async def _ask_binance(exchange: Any, market: str, sandbox: bool) -> Rights:
    futures = market == "usdm"
    account = await (exchange.fapiprivatev2_get_account() if futures else exchange.private_get_account())
    if sandbox:
        # Sandboxes have no wallet interface; their money is imagined and cannot be withdrawn.
        return read_binance_account(account)
    if futures:
        # Only the spot account has the number that tells whose key it is; a key may have no access to it.
        with suppress(BaseError):
            account = {"uid": (await exchange.private_get_account())["uid"], **account}
    return read_binance(await exchange.sapi_get_account_apirestrictions(), account, market)


async def _ask_bybit(exchange: Any, market: str, _sandbox: bool) -> Rights:
    return read_bybit(await exchange.private_get_v5_user_query_api(), market)


async def _ask_okx(exchange: Any, _market: str, _sandbox: bool) -> Rights:
    return read_okx(await exchange.private_get_account_config())


_QUESTIONS: Mapping[str, Callable[[Any, str, bool], Awaitable[Rights]]] = {
    "binance": _ask_binance,
    "binanceusdm": _ask_binance,
    "bybit": _ask_bybit,
    "okx": _ask_okx,
}


def read_binance(restrictions: Mapping[str, Any], account: Mapping[str, Any], market: str) -> Rights:
    """GET /sapi/v1/account/apiRestrictions, with GET /api/v3/account for whose key it is."""
    trades = "enableFutures" if market == "usdm" else "enableSpotAndMarginTrading"
    ends = restrictions.get("tradingAuthorityExpirationTime")
    moves = ("enableInternalTransfer", "permitsUniversalTransfer")
    return Rights(
        may_read=_true(restrictions["enableReading"]),
        may_trade=_true(restrictions[trades]) and _true(account.get("canTrade", True)),
        may_withdraw=_true(restrictions["enableWithdrawals"]),
        ip_restricted=_true(restrictions["ipRestrict"]),
        expires_at=from_ms(int(ends)) if ends else None,
        holder=str(account["uid"]) if account.get("uid") else None,
        others=tuple(name for name in moves if _true(restrictions.get(name))),
    )


def read_binance_account(account: Mapping[str, Any]) -> Rights:
    """The account itself, where nothing else tells: in a sandbox."""
    return Rights(
        may_read=True,
        may_trade=_true(account["canTrade"]),
        may_withdraw=False,
        holder=str(account["uid"]) if account.get("uid") else None,
    )


def read_bybit(answer: Mapping[str, Any], market: str) -> Rights:
    """GET /v5/user/query-api."""
    key = answer["result"]
    granted: Mapping[str, Any] = key["permissions"]
    wallet = [str(one) for one in granted.get("Wallet") or ()]
    may = "Order" in (granted.get("ContractTrade") or ()) if market == "usdm" else bool(granted.get("Spot"))
    addresses = tuple(str(one) for one in key.get("ips") or () if str(one) != "*")
    return Rights(
        may_read=True,
        may_trade=may and int(key["readOnly"]) == 0,
        may_withdraw="Withdraw" in wallet,
        ip_restricted=bool(addresses),
        addresses=addresses,
        expires_at=_moment(key.get("expiredAt")),
        holder=str(key["userID"]) if key.get("userID") else None,
        others=tuple(one for one in wallet if one != "Withdraw"),
    )


def read_okx(answer: Mapping[str, Any]) -> Rights:
    """GET /api/v5/account/config."""
    config = answer["data"][0]
    granted = {one.strip() for one in str(config["perm"]).split(",")}
    addresses = tuple(one.strip() for one in str(config.get("ip") or "").split(",") if one.strip())
    return Rights(
        may_read=bool(granted & {"read_only", "trade"}),
        may_trade="trade" in granted,
        may_withdraw="withdraw" in granted,
        ip_restricted=bool(addresses),
        addresses=addresses,
        holder=str(config["uid"]) if config.get("uid") else None,
    )


def _true(value: Any) -> bool:
    """ccxt's raw answers carry booleans as they came: true, or "true"."""
    return value is True or str(value).lower() == "true"


def _moment(value: Any) -> datetime | None:
    if not value:
        return None
    text = str(value)
    if text.isdigit():
        return from_ms(int(text))
    found = datetime.fromisoformat(text)
    # Bybit's keys without an end carry one before anything began.
    return found.astimezone(UTC) if found.year > 2000 else None


def _text(error: BaseException) -> str:
    """A venue's words, cut short, and without what it echoed of the request."""
    return redact(" ".join(str(error).split()))[:300]
