"""What an account holds and has resting, on the machine's own disk: for when the database is gone.

One append-only file an account, each line a checksum and a JSON object. It is written before each sending,
and synced to the disk then, so that a killed process leaves what is needed to close everything. A line that
was cut off is left out; the last line of a signal counts. Keys are in it as the ciphertext that the database
keeps, and open with SIGTRAIL_MASTER_KEY alone. It names the fence of the lease under which it was kept, and
says when the account was given back or lost: what another machine holds by now is not this file's to close.

The disk takes about as long as the database: entries are foreseen here while the database commits them. One
that it did not take is named for nothing, as one is whose bridge was killed before it left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import orjson

from shared.errors import SigtrailError
from shared.money import money, text
from workers.trading.book import Trade
from workers.trading.ledger import Account
from workers.trading.orders import Leg, Order, OrderStatus, PositionSide, Side

# A file that has grown to this is written anew with what still counts.
MOST_BYTES = 1 << 20
# Writing takes milliseconds: whoever holds the file for longer was stopped in the middle.
LOCK_SECONDS = 2.0


class JournalUnwritable(SigtrailError):
    """The journal cannot be written: the disk is full or gone, or the file is somebody else's."""


class JournalUnreadable(JournalUnwritable):
    """The journal is there and cannot be read, so nobody can go on with it either."""


@dataclass(frozen=True, slots=True)
class HeldTrade:
    """One signal as the journal knows it: what it holds, its live orders, and the number of its next exit."""

    signal_id: UUID
    position_id: UUID | None
    trader_id: UUID
    symbol: str
    side: PositionSide
    amount: Decimal
    lot: Decimal
    next_exit: int
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """An exit that was sent without the database: it has to be told. `outcome` is None until one is known."""

    signal_id: UUID
    position_id: UUID | None
    client_order_id: str
    attempt: int
    side: Side
    amount: Decimal
    why: str
    at: datetime
    outcome: str | None = None


@dataclass(slots=True)
class Contents:
    """What a journal says. `damaged` lines could not be read; `left_at` is when this machine gave the account
    back or lost it, None while it holds it. `begun` is the mark that the file begins with, `length` what was
    read of it in bytes."""

    begun: str = ""
    length: int = 0
    account: Account | None = None
    left_at: datetime | None = None
    trades: dict[UUID, HeldTrade] = field(default_factory=dict)
    closed: dict[str, Closed] = field(default_factory=dict)
    damaged: int = 0


class Journal:
    """One account's file. A bridge keeps it and an emergency close adds to it: both hold its lock while they
    write, so that neither loses what the other wrote.

    Nor do both send the same order: right before it sends, each says so here, and whoever comes second sees
    what the first one wrote (`send`, `claim`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = path.stat().st_size if path.is_file() else 0
        # Exits that were added while the others were told.
        self._untold = False
        # Lines of this process' own making.
        self._own: set[bytes] = set()
        # The last lines of signals that are on the disk before the database answered.
        self._foreseen: dict[UUID, bytes] = {}

    @property
    def was_added_to(self) -> bool:
        """Whether somebody else wrote to it, of which this process has not told yet."""
        return self._untold or (self.path.is_file() and self.path.stat().st_size != self._written)

    def read(self) -> Contents:
        """Everything that it says now. Raises JournalUnreadable."""
        found = Contents()
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return found
        except OSError as error:
            raise JournalUnreadable(
                f"the journal {self.path} cannot be read ({error.strerror}): run this as the user of the"
                " bridge, or close this account at its venue by hand"
            ) from error
        found.length = len(raw)
        for line in raw.split(b"\n"):
            if line and not _apply(found, line):
                found.damaged += 1
        return found

    def begin(self, account: Account, trades: Iterable[Trade], told: Iterable[Closed] = ()) -> None:
        """Write the file anew, whole or not at all: the account and what it holds. Exits that were closed
        without the database stay in it until they are among the `told`. Raises JournalUnwritable."""
        known = frozenset(told)
        with self._writing():
            untold = [one for one in self.read().closed.values() if one not in known]
            items = [
                {"kind": "begun", "mark": secrets.token_hex(8)},
                _account(account),
                *(_trade(one) for one in trades),
                *(_closed(one) for one in untold),
            ]
            fresh = self.path.with_suffix(".new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(b"".join(_line(item) for item in items))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            self._written = self.path.stat().st_size
            self._untold = bool(untold)
            self._foreseen.clear()

    def note(self, trades: Iterable[Trade], over: Iterable[UUID] = ()) -> None:
        """Add what these trades are now. Synced when one of them has an order that is about to be sent.
        Raises JournalUnwritable."""
        trades = [one for one in trades if self._foreseen.pop(one.signal_id, None) != _line(_trade(one))]
        over = list(over)
        for signal in over:
            self._foreseen.pop(signal, None)
        items = [*(_trade(one) for one in trades), *({"kind": "over", "signal_id": str(one)} for one in over)]
        if items:
            sends = any(order.is_doubtful for one in trades for order in one.orders.values())
            self._append(items, sync=sends)

    def send(self, order: Order) -> bool:
        """Add that an order leaves now; not, when somebody else wrote of which this process has not told yet.
        Raises JournalUnwritable."""
        item = {"kind": "sent", "signal_id": str(order.signal_id), "client_order_id": order.client_order_id}
        with self._writing():
            if self.was_added_to:
                return False
            # Not synced: it is for processes that live at the same time.
            self._write(b"\n" + _line(item), sync=False)
        return True

    def claim(self, closed: Closed, known: Contents) -> bool:
        """Add an exit before it is sent; not, when somebody else wrote of its signal since `known` was read:
        they may be sending it. Raises JournalUnwritable."""
        line = _line(_closed(closed))
        with self._writing():
            if not self.path.is_file():
                raise FileNotFoundError(errno.ENOENT, "it was taken away")
            now = self.read()
            if now.begun != known.begun or self._is_touched(closed.signal_id, known.length):
                return False
            self._own.add(line.rstrip())
            self._write(b"\n" + line, sync=True)
        return True

    def foresee(self, trades: Iterable[Trade]) -> Callable[[], None]:
        """Add what these trades will be once the database has taken what is intended now. Answers what syncs
        that to the disk, for another thread: nothing of it is sent before that has returned. `note` adds
        again only what came otherwise. Both raise JournalUnwritable."""
        lines = {one.signal_id: _line(_trade(one)) for one in trades}
        content = b"\n" + b"".join(lines.values())
        with self._writing():
            # Open until it is synced: the file's own errors are told to whoever wrote.
            file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
            try:
                file.write(content)
                file.flush()
            except OSError:
                _abandon(file)
                raise
            self._written += len(content)

        def sync() -> None:
            try:
                with file:
                    os.fsync(file.fileno())
            except OSError as error:
                raise self._unwritable(error) from error
            self._foreseen |= lines

        return sync

    def note_closed(self, closed: Closed) -> None:
        """Add what became of an exit. Raises JournalUnwritable."""
        item = _closed(closed)
        self._own.add(_line(item).rstrip())
        self._append([item], sync=True)

    def hold(self, account: Account) -> None:
        """The account is this machine's, with its fence of now; what was noted before still counts."""
        if self.path.is_file():
            self._append([_account(account)], sync=False)

    def leave(self, fence: int, at: datetime) -> None:
        """The account is given back or lost: from here on another machine may hold it."""
        if self.path.is_file():
            self._append([{"kind": "left", "fence": fence, "at": at.isoformat()}], sync=True)

    @property
    def is_long(self) -> bool:
        """Whether it is time to begin it anew."""
        return self._written > MOST_BYTES

    def _append(self, items: list[dict[str, Any]], *, sync: bool) -> None:
        # A line that a killed process cut off must not swallow the next one: an empty line is none.
        with self._writing():
            self._write(b"\n" + b"".join(_line(item) for item in items), sync=sync)

    def _write(self, content: bytes, *, sync: bool) -> None:
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        self._written += len(content)

    def _is_touched(self, signal_id: UUID, since: int) -> bool:
        """Whether somebody else wrote of this signal after so many bytes."""
        tail = self.path.read_bytes()[since:]
        name = str(signal_id).encode()
        return any(name in line and line not in self._own for line in tail.split(b"\n"))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Alone with the file, by a lock beside it: the file itself is replaced by another one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(lock)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> JournalUnwritable:
        return JournalUnwritable(
            f"the journal {self.path} cannot be written ({error.strerror or error}): nothing is sent that"
            " it does not name; make room on the disk, or give the file back to this user"
        )


def _abandon(file: IO[bytes]) -> None:
    """Close a file that the disk took nothing of; closing would try it once more."""
    with suppress(OSError):
        file.close()


def _lock(file: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held it for {LOCK_SECONDS:g} s") from None
            time.sleep(0.001)
        else:
            return


def _line(item: Mapping[str, Any]) -> bytes:
    body = orjson.dumps(item)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> dict[str, Any] | None:
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    item: dict[str, Any] = orjson.loads(body)
    return item


def _apply(found: Contents, line: bytes) -> bool:
    """Take in one line; False for one that was cut off, damaged, or of a kind that nobody knows."""
    try:
        item = _parse(line)
        if item is None:
            return False
        kind = item["kind"]
        if kind == "begun":
            found.begun = str(item["mark"])
        elif kind == "account":
            found.account, found.left_at = _account_of(item), None
        elif kind == "trade":
            trade = _trade_of(item)
            found.trades[trade.signal_id] = trade
        elif kind == "over":
            found.trades.pop(UUID(item["signal_id"]), None)
        elif kind == "closed":
            closed = _closed_of(item)
            found.closed[closed.client_order_id] = closed
        elif kind == "sent":
            # It says only that somebody was here.
            pass
        elif kind == "left":
            found.left_at = datetime.fromisoformat(item["at"])
        else:
            return False
    except (LookupError, ValueError, TypeError, ArithmeticError):
        return False
    return True


def _account(account: Account) -> dict[str, Any]:
    sealed = account.sealed
    names = ("ciphertext", "salt", "key_version")
    return {
        "kind": "account",
        "id": str(account.id),
        "user_id": str(account.user_id),
        "venue": account.venue,
        "market": account.market,
        "sandbox": account.sandbox,
        "settings": dict(account.settings),
        "opened_at": account.opened_at.isoformat(),
        "fence": account.fence,
        "sealed": None if sealed is None else {name: sealed[name] for name in names},
    }


def _account_of(item: Mapping[str, Any]) -> Account:
    return Account(
        id=UUID(item["id"]),
        user_id=UUID(item["user_id"]),
        venue=str(item["venue"]),
        market=str(item["market"]),
        sandbox=bool(item["sandbox"]),
        status="halted",
        permissions="trade",
        settings=dict(item["settings"]),
        fence=int(item["fence"]),
        opened_at=datetime.fromisoformat(item["opened_at"]),
        sealed=item["sealed"],
    )


def _trade(trade: Trade) -> dict[str, Any]:
    position, entry = trade.position, trade.entry
    some = entry or next(iter(trade.orders.values()))
    held = position is not None and position.is_open
    if position is not None:
        side, symbol = position.side, position.symbol
    else:
        side, symbol = ("long" if some.side == "buy" else "short"), some.symbol
    return {
        "kind": "trade",
        "signal_id": str(trade.signal_id),
        "position_id": None if position is None else str(position.id),
        "trader_id": str(some.trader_id),
        "symbol": symbol,
        "side": side,
        "amount": text(position.amount) if position is not None and held else "0",
        "lot": "0" if position is None else text(position.lot),
        "next_exit": trade.next_attempt(Leg.EXIT),
        "orders": [_order(order) for order in trade.orders.values() if order.is_live],
    }


def _trade_of(item: Mapping[str, Any]) -> HeldTrade:
    signal, trader = UUID(item["signal_id"]), UUID(item["trader_id"])
    position = item["position_id"]
    return HeldTrade(
        signal_id=signal,
        position_id=None if position is None else UUID(position),
        trader_id=trader,
        symbol=str(item["symbol"]),
        side="long" if item["side"] == "long" else "short",
        amount=money(item["amount"]),
        lot=money(item["lot"]),
        next_exit=int(item["next_exit"]),
        orders=tuple(_order_of(row, signal, trader, str(item["symbol"])) for row in item["orders"]),
    )


def _order(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "leg": order.leg.value,
        "attempt": order.attempt,
        "side": order.side,
        "kind": order.kind,
        "amount": text(order.amount),
        "filled": text(order.filled),
        "price": None if order.price is None else text(order.price),
        "trigger_price": None if order.trigger_price is None else text(order.trigger_price),
        "status": order.status.value,
        "managed_by": order.managed_by,
        "attached": order.attached,
        "reduce_only": order.reduce_only,
        "sent_at": None if order.sent_at is None else order.sent_at.isoformat(),
    }


def _order_of(row: Mapping[str, Any], signal: UUID, trader: UUID, symbol: str) -> Order:
    price, trigger = row["price"], row["trigger_price"]
    return Order(
        client_order_id=str(row["client_order_id"]),
        signal_id=signal,
        trader_id=trader,
        leg=Leg(row["leg"]),
        attempt=int(row["attempt"]),
        symbol=symbol,
        side="buy" if row["side"] == "buy" else "sell",
        kind=row["kind"],
        amount=money(row["amount"]),
        status=OrderStatus(row["status"]),
        price=None if price is None else money(price),
        trigger_price=None if trigger is None else money(trigger),
        reduce_only=bool(row["reduce_only"]),
        managed_by=row["managed_by"],
        attached=bool(row["attached"]),
        filled=money(row["filled"]),
        venue_order_id=row["venue_order_id"],
        sent_at=None if row["sent_at"] is None else datetime.fromisoformat(row["sent_at"]),
    )


def _closed(closed: Closed) -> dict[str, Any]:
    return {
        "kind": "closed",
        "signal_id": str(closed.signal_id),
        "position_id": None if closed.position_id is None else str(closed.position_id),
        "client_order_id": closed.client_order_id,
        "attempt": closed.attempt,
        "side": closed.side,
        "amount": text(closed.amount),
        "why": closed.why,
        "at": closed.at.isoformat(),
        "outcome": closed.outcome,
    }


def _closed_of(item: Mapping[str, Any]) -> Closed:
    position = item["position_id"]
    return Closed(
        signal_id=UUID(item["signal_id"]),
        position_id=None if position is None else UUID(position),
        client_order_id=str(item["client_order_id"]),
        attempt=int(item["attempt"]),
        side="buy" if item["side"] == "buy" else "sell",
        amount=money(item["amount"]),
        why=str(item["why"]),
        at=datetime.fromisoformat(item["at"]),
        outcome=item["outcome"],
    )
