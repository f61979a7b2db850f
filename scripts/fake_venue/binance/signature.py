"""Whether a private request is signed by who it says, and in time."""

from __future__ import annotations

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.call import Call, VenueError

_AHEAD_MS = 1000
_MOST_WINDOW_MS = 60_000


def account_of(call: Call, accounts: dict[str, Account]) -> Account:
    """Whose key it is. Raises VenueError."""
    key = call.headers.get("x-mbx-apikey")
    if not key:
        raise VenueError(-2014, "API-key format invalid.", 401)
    account = accounts.get(key)
    if account is None or account.revoked:
        raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return account


def check(call: Call, account: Account, server_ms: int) -> None:
    """Raises VenueError for a late or early timestamp, a window too wide, and a wrong signature."""
    check_time(call, server_ms)
    signature = call.params.get("signature")
    if not signature:
        raise missing("signature")
    text = "&".join(part for part in (call.query + call.body).split("&") if not part.startswith("signature="))
    if not account.signs(text, str(signature)):
        raise VenueError(-1022, "Signature for this request is not valid.")


def check_time(call: Call, server_ms: int) -> None:
    """Raises VenueError if the request was signed for another time."""
    if not call.params.get("timestamp"):
        raise missing("timestamp")
    signed_ms, window = int(call.params["timestamp"]), int(call.params.get("recvWindow") or 5000)
    if window > _MOST_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if signed_ms >= server_ms + _AHEAD_MS:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if server_ms - signed_ms > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
