"""Whether a private request is signed by who it says, and in time."""

from __future__ import annotations

from scripts.fake_venue.accounts import Account
from scripts.fake_venue.call import Call, VenueError

_AHEAD_MS = 1000


def check(call: Call, accounts: dict[str, Account], server_ms: int) -> Account:
    """Whose request it is. Raises VenueError."""
    headers = call.headers
    key, signed_at = headers.get("x-bapi-api-key", ""), headers.get("x-bapi-timestamp", "0")
    window = headers.get("x-bapi-recv-window", "5000")
    account = accounts.get(key)
    if account is None:
        raise VenueError(10003, "API key is invalid.")
    signed_ms = int(signed_at)
    if not server_ms - int(window) <= signed_ms < server_ms + _AHEAD_MS:
        raise VenueError(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{signed_at}],server_timestamp[{server_ms}],recv_window[{window}]",
        )
    text = f"{signed_at}{key}{window}{call.body if call.method == 'POST' else call.query}"
    if not account.signs(text, headers.get("x-bapi-sign", "")):
        raise VenueError(10004, "Error sign, please check your signature generation algorithm.")
    if account.revoked:
        raise VenueError(33004, "Your api key has expired.")
    return account
