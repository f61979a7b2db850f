"""What goes wrong, scripted by a test: which request or event, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

from scripts.fake_venue.call import Call

# What can become of a request. `…_after`: the venue did as it was asked, and only its answer went wrong.
Answer = Literal[
    "hang_before",
    "hang_after",
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "garbage_before",
    "garbage_after",
    "unknown_before",
    "unknown_after",
    "rate_limited",
    "banned",
    "maintenance",
    "busy",
    "refused",
]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
# What can become of an event on the way to a stream.
Event = Literal["lost", "doubled", "swapped"]
EVENTS: tuple[Event, ...] = get_args(Event)
# What the market does between a request and its effect.
Race = Literal["partial", "fills_first"]


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    `kind` is an Answer, an Event or a Race. `route` is a pattern such as `POST /api/v3/order` (an event's
    route is `EVENT <its name>`); `client_id` narrows it to one order, `caller` to one client's requests (see
    `Call.caller`). It strikes from the `nth` match on, and `times` times in all. `status` is that of an
    `error_…`; `code` and `message` those of `refused`; `retry_after` (seconds) those of rate limits; `share`
    of a partial fill.
    """

    kind: Answer | Event | Race
    route: str = "*"
    nth: int = 1
    times: int = 1
    client_id: str | None = None
    caller: str | None = None
    status: int = 503
    code: int = -1000
    message: str = "An unknown error occurred while processing the request."
    retry_after: int = 1
    share: str = "0.5"
    met: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def strikes(self, route: str, client_ids: set[str], caller: str = "") -> bool:
        """Whether it strikes now; counts the match."""
        if not fnmatchcase(route, self.route):
            return False
        if self.client_id is not None and self.client_id not in client_ids:
            return False
        if self.caller is not None and self.caller != caller:
            return False
        self.met += 1
        if self.met < self.nth or self.struck >= self.times:
            return False
        self.struck += 1
        return True


class Faults:
    """All faults that a test has scripted."""

    def __init__(self) -> None:
        self._scripted: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._scripted)

    def add(self, fault: Fault) -> Fault:
        """Script a fault; answers it, so that the test can ask whether it struck."""
        self._scripted.append(fault)
        return fault

    def clear(self) -> None:
        """Everything goes well again."""
        self._scripted.clear()

    def of_call(self, call: Call) -> list[Fault]:
        """What strikes this request."""
        chosen = (fault for fault in self._scripted if fault.kind not in EVENTS)
        return [fault for fault in chosen if fault.strikes(call.route, call.client_ids, call.caller)]

    def of_event(self, name: str, client_ids: set[str]) -> list[Fault]:
        """What strikes this event."""
        chosen = (fault for fault in self._scripted if fault.kind in EVENTS)
        return [fault for fault in chosen if fault.strikes(f"EVENT {name}", client_ids)]
