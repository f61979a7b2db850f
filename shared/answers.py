"""What an answer that is an error means: whether a call was refused, may be sent again, or nobody knows.

Only the database and PostgREST can refuse a call, and they say so by a code of theirs. Whatever stands in
between (a gateway, a proxy, a project that is paused or full) answers in forms of its own: that is no refusal
of what was sent, and what was sent is kept.
"""

from __future__ import annotations

import re

from postgrest.exceptions import APIError

from shared.errors import DatabaseError, NotAllowed, NotFound, NotSent, OutcomeUnknown, Refused, Unavailable

Meaning = type[DatabaseError] | type[Unavailable]

# SQLSTATEs, or their first two digits. First those after which the transaction certainly was rolled back for
# reasons of the moment: no memory, disk or connections, a lock, a deadlock, a time limit, a database that is
# read-only because its disk is nearly full, or that is going down.
_SQLSTATES: tuple[tuple[frozenset[str], Meaning], ...] = (
    (frozenset({"40001", "40P01", "53", "55P03", "57014", "57P01", "57P02", "57P03", "25006"}), NotSent),
    (frozenset({"08", "57", "58", "F0", "XX"}), OutcomeUnknown),
    (frozenset({"42501"}), NotAllowed),
    (frozenset({"42883", "42P01"}), NotFound),
)
# PostgREST's own codes, or their first letters: https://docs.postgrest.org/en/stable/references/errors.html.
# PGRST001 comes also when the connection broke within a statement, which may have been its commit.
_POSTGREST: tuple[tuple[frozenset[str], Meaning], ...] = (
    (frozenset({"PGRST000", "PGRST002", "PGRST003"}), NotSent),
    (frozenset({"PGRST106", "PGRST116", "PGRST202", "PGRST205"}), NotFound),
    (frozenset({"PGRST1", "PGRST2"}), Refused),
    (frozenset({"PGRST3"}), NotAllowed),
)
# The database is there and says that it failed over this call: of itself, or of what was sent (a time limit,
# no memory, an error inside). Whoever sends the same again and again has to find out which.
_FAILED = frozenset({"57014", "53200", "XX"})
# What others than the database say, by the status of HTTP.
_STATUSES: dict[int, Meaning] = {
    400: Refused,
    401: NotAllowed,
    402: NotSent,  # a project over its quota
    403: NotAllowed,
    404: NotFound,
    405: Refused,
    413: Refused,
    414: Refused,
    415: Refused,
    422: Refused,
    429: NotSent,
    431: Refused,
    540: NotSent,  # a project that is paused
}
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def translate(name: str, error: APIError, status: int | None = None) -> DatabaseError | Unavailable:
    """The error of Sigtrail for an error answer to the call `name`. `status` is the answer's of HTTP: where
    the answer has no code, it is all there is."""
    code = str(error.code or "")
    meaning = meaning_of(code, status)
    message = f"{name}: {error.message or 'no message'}"
    if issubclass(meaning, Unavailable):
        return meaning(f"{message} ({code or status})", code=code or None)
    details = None if error.details is None else str(error.details)
    return meaning(message, code=code or None, details=details, hint=error.hint)


def meaning_of(code: str, status: int | None) -> Meaning:
    """What an answer with this code means, in an answer of this status."""
    if code.startswith("PGRST"):
        return _find(_POSTGREST, code) or OutcomeUnknown
    if _SQLSTATE.fullmatch(code):
        return _find(_SQLSTATES, code) or Refused
    # The client names an answer that it cannot read by its status.
    told = int(code) if code.isdigit() else status
    return OutcomeUnknown if told is None else _STATUSES.get(told, OutcomeUnknown)


def may_be_of_what_was_sent(error: Unavailable) -> bool:
    """Whether what was sent may be why the database failed: it said so itself, and is there. Never what a
    gateway says, nor a database that is away, full, locked or going down."""
    return bool(_FAILED & {error.code or "", (error.code or "")[:2]})


def _find(table: tuple[tuple[frozenset[str], Meaning], ...], code: str) -> Meaning | None:
    names = {code, code[:2], code[:6]}
    return next((meaning for codes, meaning in table if codes & names), None)
