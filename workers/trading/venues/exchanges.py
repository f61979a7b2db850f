"""Which exchange an account trades on, and its keys: opened only here, and only in memory."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ccxt.base.errors import NotSupported

from shared.clock import Clock, MarketClock
from shared.errors import ConfigurationError
from shared.identity import floor_ms
from shared.market import Market
from shared.redaction import conceal
from shared.vault import Sealed, Vault
from shared.venue_sessions import SessionFactory
from workers.trading.ledger import Account
from workers.trading.paper import PaperExchange
from workers.trading.traffic.traffic import Traffic
from workers.trading.venues.capabilities import TABLE, UNVERIFIED, capabilities_of
from workers.trading.venues.catalogue import Catalogue
from workers.trading.venues.venue import Venue, ccxt_class

# Makes the exchange of an account; tests hand in their own.
OpenExchange = Callable[[Account], Awaitable[Any]]


class Exchanges:
    """Makes the exchanges of accounts: the paper exchange, or ccxt's with the account's keys.

    `folder` keeps the paper accounts over restarts; without one they live as long as the process.
    `session_factory` makes the sessions that ccxt sends and listens through; without one it makes its own.
    """

    def __init__(
        self,
        clock: Clock,
        market: Market,
        folder: Path | None = None,
        master_key: str | None = None,
        session_factory: SessionFactory | None = None,
    ) -> None:
        self._clock = clock
        self._market = market
        self._folder = folder
        self._master_key = master_key
        self._session_factory = session_factory
        # What these exchanges share; whoever made this closes it.
        self.catalogue = Catalogue(session_factory)

    async def __call__(self, account: Account) -> Any:
        """The exchange of this account, not connected yet. Raises ConfigurationError or VaultError."""
        return self._paper(account) if account.venue == "paper" else self._ccxt(account)

    def _paper(self, account: Account) -> PaperExchange:
        settings = account.settings
        config: dict[str, Any] = {"clock": self._clock, "market": self._market, "account": str(account.id)}
        known = ("starting", "leverage", "latency_ms", "slippage", "participation", "attached")
        config |= {name: settings[name] for name in known if name in settings}
        if self._folder is not None:
            # A database that was emptied has new accounts, even under an old id: their money starts anew.
            config["store"] = self._folder / f"{account.id}-{floor_ms(account.opened_at)}.sqlite"
        return PaperExchange(config)

    def _ccxt(self, account: Account) -> Any:
        if self._master_key is None:
            raise ConfigurationError(
                f"account {account.id} trades on {account.venue}: set SIGTRAIL_MASTER_KEY to open its keys"
            )
        if account.sealed is None:
            raise ConfigurationError(f"account {account.id} on {account.venue} has no keys: seal them first")
        sealed = Sealed(
            ciphertext=base64.b64decode(account.sealed["ciphertext"]),
            salt=base64.b64decode(account.sealed["salt"]),
            key_version=int(account.sealed["key_version"]),
        )
        keys = Vault.from_text(self._master_key).open(account.user_id, account.id, sealed)
        # A venue's error may echo a request: from here on no text that leaves this process shows these.
        conceal(keys.values())
        if isinstance(self._clock, MarketClock) and self._session_factory is None:
            raise ConfigurationError(
                f"account {account.id} trades on {account.venue}, and a replay's orders go to paper and to"
                " fake venues only"
            )
        if account.settings.get("fake") and self._session_factory is None:
            raise ConfigurationError(
                f"account {account.id} trades on a fake {account.venue} that does not run:"
                " `./scripts/up --venue` starts it"
            )
        kind = "swap" if account.market == "usdm" else "spot"
        row = TABLE.get((account.venue, account.market), UNVERIFIED)
        config: dict[str, Any] = {
            **keys,
            # A replay waits for no minute to pass; who is asked counts by the market's time, if at all.
            "enableRateLimit": not isinstance(self._clock, MarketClock),
            "options": {
                **row.options,
                "defaultType": kind,
                # A timed-out order may have been taken: ccxt must never send one again by itself.
                "maxRetriesOnFailure": 0,
            },
        }
        if self._session_factory is not None:
            config["session"] = self._session_factory()
        exchange = ccxt_class(account.venue)(config)
        if self._session_factory is not None:
            # ccxt waits after closing for its own sessions' sake; these close for themselves.
            exchange.timeout_on_exit = 0
        if account.sandbox:
            _enter_sandbox(exchange, account)
        return exchange


def _enter_sandbox(exchange: Any, account: Account) -> None:
    try:
        if exchange.id == "binanceusdm":
            # Binance's futures have left their old sandbox for the demo.
            exchange.enable_demo_trading(True)
        else:
            exchange.set_sandbox_mode(True)
    except (TypeError, NotSupported) as error:
        # Some venues have no sandbox, and some of ccxt's classes fail over it.
        raise ConfigurationError(
            f"account {account.id} asks for a sandbox, and {account.venue} has none: use paper instead"
        ) from error


def venue_of(
    exchange: Any,
    market: str,
    catalogue: Catalogue | None = None,
    traffic: Traffic | None = None,
    wake: Callable[[], None] | None = None,
    clock: Clock | None = None,
    activity: Callable[[], int] | None = None,
) -> Venue:
    """The bridge's edge to this exchange. `wake` is called when the venue tells of something."""
    data = None if catalogue is None else catalogue.source_of(exchange)
    # What is its own market has a list of its own.
    shared = catalogue is not None and data is not exchange
    reading = catalogue.reading_of(data) if catalogue is not None and shared else None
    now_ms = None if clock is None else clock.millis
    venue = Venue(exchange, capabilities_of(exchange, market), traffic, data, now_ms, activity, reading)
    if wake is not None:
        venue.listen(wake)
    return venue
