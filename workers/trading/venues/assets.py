"""What a venue says an account has: balances, positions with their margin, and what they were paid."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.errors import OrderDenied
from shared.identity import floor_ms
from shared.money import ONE, ZERO, add, money, multiply, subtract
from workers.trading.decisions.external import VenueIncome
from workers.trading.decisions.margin import VenuePosition
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.fills import list_bills, list_fills
from workers.trading.venues.markets import Markets
from workers.trading.venues.standing import (
    Balance,
    read_cost,
    read_funding,
    read_standing,
    read_transfer,
    read_wallet,
)
from workers.trading.venues.wire import Wire
from workers.trading.venues.wording import coins_of, readable

# Bybit's log tells so many entries at most.
_BILLS = 50
# As many positions of all symbols as Bybit tells at once.
_POSITIONS = 200


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the venue says an account has: totals by currency, amounts by symbol and side."""

    balances: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)


class Assets:
    """Of one account."""

    def __init__(self, wire: Wire, markets: Markets, capabilities: Capabilities) -> None:
        self._wire = wire
        self._markets = markets
        self._row = capabilities

    async def equity(self, currency: str) -> Decimal:
        """What the account owns in a currency, bound or not."""
        balance = await self._wire.read("fetch_balance")
        with readable("fetch_balance"):
            return money((balance.get(currency) or {}).get("total") or 0)

    async def held(self, symbol: str, side: str) -> Decimal:
        """How much the venue says is held of a symbol on a side."""
        rules = await self._markets.rules(symbol)
        if rules.spot:
            return await self.equity(rules.base)
        return (await self._positions([symbol])).get((symbol, side), ZERO)

    async def holdings(self, symbols: list[str]) -> Holdings:
        """What the account holds of these symbols: balances, when one is of spot, and positions."""
        spot, derivatives = False, list[str]()
        for symbol in symbols:
            # One that is not traded any more keeps nobody from asking for the others.
            with suppress(OrderDenied):
                if (await self._markets.rules(symbol)).spot:
                    spot = True
                else:
                    derivatives.append(symbol)
        balances: dict[str, Decimal] = {}
        if spot:
            balance = await self._wire.read("fetch_balance")
            with readable("fetch_balance"):
                totals = balance.get("total") or {}
                balances = {str(name): money(total) for name, total in totals.items() if total}
        return Holdings(balances, await self._positions(derivatives) if derivatives else {})

    async def standing(self, symbols: list[str]) -> tuple[list[VenuePosition], Decimal]:
        """The positions in these symbols with their margin, and the margin balance behind all of them."""
        found: list[VenuePosition] = []
        for answer in await self._fetch_positions(symbols):
            if answer["symbol"] in symbols:
                rules = await self._markets.rules(answer["symbol"])
                with readable("fetch_positions"):
                    one = read_standing(answer, rules)
                found += [] if one is None else [one]
        quotes = {(await self._markets.rules(symbol)).quote for symbol in symbols}
        balance = await self._wire.read("fetch_balance")
        with readable("fetch_balance"):
            totals = [money((balance.get(quote) or {}).get("total") or 0) for quote in sorted(quotes)]
        return found, add(*totals)

    async def funding(self, since: Mapping[str, datetime]) -> list[VenueIncome]:
        """Payments of funding of each symbol since its time, where the venue tells of them."""
        if not self._wire.exchange.has.get("fetchFundingHistory"):
            return []
        groups = [since] if self._row.fundings.of_all else [{symbol: at} for symbol, at in since.items()]
        return [paid for group in groups for paid in await self._funding(group)]

    async def _funding(self, starts: Mapping[str, datetime]) -> list[VenueIncome]:
        """The same in one question: that for all symbols costs what one for a single symbol does."""
        rules = {symbol: await self._markets.rules(symbol) for symbol in sorted(starts)}
        rule, first = self._row.fundings, min(starts)

        async def ask(symbol: str, since: int | None, limit: int, params: dict[str, Any]) -> list[Any]:
            # ccxt asks Bybit for its number under a wrong name.
            sized = {**params, "limit": limit} if rule.paging == "cursor" else params
            named = symbol if len(starts) == 1 and rule.paging != "id" else None
            page: list[Any] = await self._wire.read("fetch_funding_history", named, since, limit, sized)
            return page

        start = floor_ms(min(starts.values()))
        with readable("fetch_funding_history"):
            if rule.paging == "id":
                raw = await list_bills(ask, rule.page, first, start)
            else:
                raw = await list_fills(ask, rule, first, start, self._wire.exchange.milliseconds())
            incomes = [
                (read_funding(one, rules[symbol]), rules[symbol].quote)
                for one in raw
                if (symbol := one.get("symbol") or (first if len(starts) == 1 else "")) in rules
                and int(one["timestamp"]) >= floor_ms(starts[symbol])
            ]
        pairs = sorted({(one.currency, quote) for one, quote in incomes if one.currency != quote})
        rates = {pair: await self._markets.rate(*pair) for pair in pairs}
        return [replace(one, rate=rates.get((one.currency, quote), ONE)) for one, quote in incomes]

    async def wallet(self, symbols: list[str]) -> list[Balance]:
        """What is in the wallet, less what the positions in these symbols cost: every fill changes it by what
        it paid, whether it opens or closes."""
        costs: list[Balance] = []
        for answer in await self._fetch_positions(symbols) if symbols else ():
            if answer["symbol"] in symbols:
                rules = await self._markets.rules(answer["symbol"])
                with readable("fetch_positions"):
                    cost = read_cost(answer, rules)
                costs += [] if cost is None else [cost]
        balance = await self._wire.read("fetch_balance")
        with readable("fetch_balance"):
            found = read_wallet(balance, self._row.wallet or "total")
        return [
            Balance(
                currency,
                subtract(
                    found.get(currency, ZERO), add(*(one.amount for one in costs if one.currency == currency))
                ),
                add(*(one.rounding for one in costs if one.currency == currency)),
            )
            for currency in sorted({*found, *(one.currency for one in costs)})
        ]

    async def transfers(self, since: datetime) -> list[VenueIncome]:
        """Money that came to the account or left it since a time, where the venue tells of it."""
        rule = replace(self._row.fundings, page=min(self._row.fundings.page, _BILLS))
        now = self._wire.exchange.milliseconds()
        found: list[VenueIncome] = []
        for kind in self._row.transfers:

            async def ask(
                _: str, since: int | None, limit: int, params: dict[str, Any], kind: Mapping[str, Any] = kind
            ) -> list[Any]:
                asked = {**params, **kind}
                if rule.paging == "cursor":
                    # Bybit tells of one day unless an end is named, for which ccxt has no word here.
                    asked["endTime"] = asked.pop("until", now)
                page: list[Any] = await self._wire.read("fetch_ledger", None, since, limit, asked)
                return page

            with readable("fetch_ledger"):
                found += [read_transfer(one) for one in await list_fills(ask, rule, "", floor_ms(since), now)]
        return found

    async def _fetch_positions(self, symbols: list[str]) -> list[Any]:
        # Bybit tells of one symbol, or of all that settle in a coin: ccxt refuses a list of several.
        if not self._row.by_coin or len(symbols) == 1:
            answers: list[Any] = await self._wire.read("fetch_positions", symbols)
            return answers
        return [
            one
            for coin in coins_of(symbols)
            for one in await self._wire.read_pages(
                "fetch_positions", None, page=_POSITIONS, params={"settleCoin": coin}
            )
        ]

    async def _positions(self, symbols: list[str]) -> dict[tuple[str, str], Decimal]:
        answers = await self._fetch_positions(symbols)
        held: dict[tuple[str, str], Decimal] = {}
        for answer in answers:
            if answer["symbol"] not in symbols or not answer["contracts"]:
                continue
            rules = await self._markets.rules(answer["symbol"])
            with readable("fetch_positions"):
                key = (str(answer["symbol"]), str(answer["side"]))
                amount = multiply(money(answer["contracts"]), rules.contract_size)
                held[key] = held.get(key, ZERO) + amount
        return held
