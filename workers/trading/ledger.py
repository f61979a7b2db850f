"""What the bridge asks of the database and tells it: its functions, typed. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.role import Call
from workers.trading.line import Line
from workers.trading.orders import Leg, Order, Position, order_from_json, position_from_json

# So many calls of desks at once: the database has fewer processors, and REST servers ten connections or so.
CALLS_AT_ONCE = 6
# What may wait until nothing is left to tell of what is open.
_OPENING = frozenset({"intents", "denials"})


@dataclass(slots=True)
class Account:
    """An exchange account that this machine holds. `fence` is the number of its lease."""

    id: UUID
    user_id: UUID
    venue: str
    market: str
    sandbox: bool
    status: str
    permissions: str
    settings: Mapping[str, Any]
    fence: int
    opened_at: datetime
    sealed: Mapping[str, Any] | None = None

    @property
    def reference(self) -> dict[str, Any]:
        """How the functions of accounts name this lease."""
        return {"account_id": str(self.id), "fence": self.fence}


@dataclass(frozen=True, slots=True)
class Renewal:
    """What their owners set, by account; the accounts that were lost; and those that nobody holds."""

    terms: Mapping[UUID, Mapping[str, Any]]
    lost: frozenset[UUID]
    free: tuple[UUID, ...]


@dataclass(slots=True)
class Facts:
    """What is told in one transaction; see the function record_trading for each list's items."""

    fills: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    stops: list[dict[str, Any]] = field(default_factory=list)
    exits: list[dict[str, Any]] = field(default_factory=list)
    write_offs: list[dict[str, Any]] = field(default_factory=list)
    intents: list[dict[str, Any]] = field(default_factory=list)
    denials: list[dict[str, Any]] = field(default_factory=list)
    venue_closes: list[dict[str, Any]] = field(default_factory=list)
    incomes: list[dict[str, Any]] = field(default_factory=list)
    external_orders: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Only what there is to tell."""
        lists = {name: getattr(self, name) for name in self.__slots__}
        return {name: items for name, items in lists.items() if items}

    @property
    def protects(self) -> bool:
        """Whether more is told than new entries: what happened, or orders that protect and close."""
        opens = all(intent["leg"] == Leg.ENTRY.value for intent in self.intents if not intent.get("attached"))
        return not opens or any(getattr(self, name) for name in self.__slots__ if name not in _OPENING)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class State:
    """Orders and positions as the database has them now, what it refused, and the trades that it knows."""

    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    refused: tuple[Mapping[str, Any], ...] = ()
    trade_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last_execution_at: datetime | None = None
    # The account's state and limits, for the check at the moment of sending.
    terms: Mapping[str, Any] | None = None
    # Fills whose fees nobody has valued yet.
    open_fees: tuple[Mapping[str, Any], ...] = ()


class Ledger:
    """The bridge's side of the database."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._line = Line(CALLS_AT_ONCE)

    async def claim_accounts(
        self, *, most: int, lease_seconds: int, only: Iterable[UUID] | None = None
    ) -> list[Account]:
        """Take the leases of accounts that are free, or this machine's from before a restart."""
        rows = await self._call(
            "claim_accounts",
            {
                "max_rows": most,
                "lease_seconds": lease_seconds,
                "accounts": None if only is None else [str(one) for one in only],
            },
        )
        return [_account(row) for row in rows]

    async def renew_accounts(self, accounts: Iterable[Account], lease_seconds: int) -> Renewal:
        """Keep leases, and learn what became of them."""
        held = [account.reference for account in accounts]
        answer = await self._call("renew_accounts", {"accounts": held, "lease_seconds": lease_seconds})
        return Renewal(
            terms={UUID(row["account_id"]): row for row in answer["renewed"]},
            lost=frozenset(UUID(one) for one in answer["lost"]),
            free=tuple(UUID(one) for one in answer["free"]),
        )

    async def release_accounts(self, accounts: Iterable[Account]) -> None:
        """Give leases back."""
        await self._call("release_accounts", {"accounts": [account.reference for account in accounts]})

    async def list_trading(self, account: Account) -> State:
        """Everything of an account that is not over."""
        async with self._line.turn(urgent=False):
            return _state(await self._call("list_trading", account.reference))

    async def record(self, account: Account, facts: Facts, at: datetime) -> State:
        """Tell facts in one transaction; answers orders and positions of all signals that they are about.

        Telling the same facts again changes nothing. Raises Refused when another process has the account.
        """
        told = {**account.reference, "facts": facts.to_json(), "at": at.isoformat()}
        async with self._line.turn(urgent=facts.protects):
            return _state(await self._call("record_trading", told))

    async def tell_wallet(
        self, account: Account, balances: Iterable[Mapping[str, str]], at: datetime
    ) -> bool:
        """Tell what is in the wallet: currency, amount and rounding. Whether the record agrees."""
        told = {**account.reference, "balances": list(balances), "at": at.isoformat()}
        async with self._line.turn(urgent=False):
            return bool((await self._call("tell_wallet", told))["settled"])


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        id=UUID(row["account_id"]),
        user_id=UUID(row["user_id"]),
        venue=str(row["venue"]),
        market=str(row["market"]),
        sandbox=bool(row["sandbox"]),
        status=str(row["status"]),
        permissions=str(row["permissions"]),
        settings=dict(row["settings"]),
        fence=int(row["fence"]),
        opened_at=datetime.fromisoformat(row["opened_at"]),
        sealed=row if row["ciphertext"] is not None else None,
    )


def _state(answer: Mapping[str, Any]) -> State:
    last = answer.get("last_execution_at")
    return State(
        orders=tuple(order_from_json(row) for row in answer["orders"]),
        positions=tuple(position_from_json(row) for row in answer["positions"]),
        refused=tuple(answer.get("refused", ())),
        trade_ids={key: tuple(ids) for key, ids in answer.get("trade_ids", {}).items()},
        last_execution_at=datetime.fromisoformat(last) if last else None,
        terms=answer.get("terms"),
        open_fees=tuple(answer.get("open_fees", ())),
    )
