"""How Binance's user streams begin and end: listen keys on futures, and the end that nobody is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.events import topic_of
from scripts.fake_venue.call import Call, VenueError

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


def listen_key_of(account: Account) -> str | None:
    """The key of the account's stream, if it has one."""
    key: str | None = account.kept.get("listen_key")
    return key


def open_listen_key(wire: Binance, account: Account, call: Call) -> dict[str, str]:
    """POST /fapi/v1/listenKey: the same one while it is valid."""
    if listen_key_of(account) is None:
        account.kept["listen_key"] = f"listen{account.number:04d}{wire.venue.next_number():06d}"
    return {"listenKey": account.kept["listen_key"]}


def keep_listen_key(wire: Binance, account: Account, call: Call) -> dict[str, str]:
    """PUT /fapi/v1/listenKey. Raises VenueError if there is none."""
    key = listen_key_of(account)
    if key is None:
        raise VenueError(-1125, "This listenKey does not exist.")
    return {"listenKey": key}


def close_listen_key(wire: Binance, account: Account, call: Call) -> dict[str, str]:
    """DELETE /fapi/v1/listenKey."""
    account.kept.pop("listen_key", None)
    return {}


def expire_listen_key(wire: Binance, account: Account) -> None:
    """The venue lets the key run out, and says so once."""
    key = account.kept.pop("listen_key", None)
    payload = {"e": "listenKeyExpired", "E": wire.now_ms(), "listenKey": key}
    topic = topic_of(account, "usdm")
    wire.streams.tell(topic, "listenKeyExpired", payload)
    wire.streams.leave(topic)


def terminate(wire: Binance, account: Account) -> None:
    """Spot's stream ends without its socket: nothing comes any more."""
    topic = topic_of(account, "spot")
    payload = {"e": "eventStreamTerminated", "E": wire.now_ms()}
    wire.streams.tell(topic, "eventStreamTerminated", payload)
    wire.streams.leave(topic)
