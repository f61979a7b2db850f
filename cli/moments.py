"""Times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from shared.errors import InputError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime | None = None) -> datetime:
    """An aware UTC time from `2025-05-05`, `2025-05-05T12:00`, with or without zone, or an age such as `24h`.

    Raises InputError that shows the forms.
    """
    age = re.fullmatch(r"(\d+)([smhdw])", text.strip())
    if age:
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"{text!r} is no time: write 2025-05-05, 2025-05-05T12:00 (UTC) or an age such as 24h"
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def day(text: str) -> date:
    """A calendar day (UTC). Raises InputError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{text!r} is no day: write it as 2025-05-05") from None
