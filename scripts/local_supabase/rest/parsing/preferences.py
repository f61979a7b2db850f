"""The Prefer header (RFC 7240): what the client would like, and what of it was applied."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

_VALUES = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "return": ("representation", "minimal", "headers-only"),
    "count": ("exact", "planned", "estimated"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
    # Known but without effect: transactions always end in a commit.
    "tx": ("commit", "rollback"),
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """The first of each preference that was given; None where none was.

    unknown: what is not understood, as it was written. max_affected counts only with strict handling.
    """

    resolution: str | None = None
    returning: str | None = None
    count: str | None = None
    missing: str | None = None
    handling: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    unknown: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        return self.handling == "strict"

    @property
    def limit_affected(self) -> int | None:
        """How many rows the request may touch, if it insists on that."""
        return self.max_affected if self.strict else None

    def applied(self, *names: str) -> str | None:
        """The Preference-Applied header for those of these preferences that were given."""
        given = {
            "resolution": self.resolution and f"resolution={self.resolution}",
            "missing": self.missing and f"missing={self.missing}",
            "return": self.returning and f"return={self.returning}",
            "count": self.count and f"count={self.count}",
            "handling": self.handling and f"handling={self.handling}",
            "timezone": self.timezone and f"timezone={self.timezone}",
            "max-affected": self.limit_affected is not None and f"max-affected={self.limit_affected}",
        }
        return ", ".join(text for name, text in given.items() if name in names and text) or None


def parse_preferences(headers: Iterable[str], timezones: Set[str]) -> Preferences:
    """headers: the values of all Prefer headers. timezones: the names that the database knows."""
    wishes = [wish.strip() for header in headers for wish in header.split(",")]
    if not any(wishes):
        return Preferences()
    found: dict[str, str] = {}
    unknown = []
    for wish in wishes:
        name, _, value = wish.partition("=")
        if (
            value in _VALUES.get(name, ())
            or name == "max-affected"
            or (name == "timezone" and value in timezones)
        ):
            found.setdefault(name, value)
        elif wish:
            unknown.append(wish)
    max_affected = found.get("max-affected", "")
    preferences = Preferences(
        resolution=found.get("resolution"),
        returning=found.get("return"),
        count=found.get("count"),
        missing=found.get("missing"),
        handling=found.get("handling"),
        timezone=found.get("timezone"),
        max_affected=int(max_affected) if max_affected.isascii() and max_affected.isdigit() else None,
    )
    return replace(preferences, unknown=tuple(unknown))
