"""One request as a venue sees it, its answer, and its refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Under these names a client order id travels on the wires.
CLIENT_IDS = (
    "newClientOrderId",
    "origClientOrderId",
    "clientAlgoId",
    "listClientOrderId",
    "aboveClientOrderId",
    "belowClientOrderId",
    "orderLinkId",
)


@dataclass(slots=True)
class Call:
    """`params` joins the query and the body, `signed` is the text that a signature covers."""

    host: str
    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def route(self) -> str:
        """What faults are scripted by: `POST /api/v3/order`."""
        return f"{self.method} {self.path}"

    @property
    def caller(self) -> str:
        """Who asks, where a test lets its clients say it: each counts as an address of its own."""
        return self.headers.get("x-caller", "")

    @property
    def client_ids(self) -> set[str]:
        """The client order ids that the request names."""
        return {str(self.params[name]) for name in CLIENT_IDS if self.params.get(name)}

    def need(self, name: str) -> str:
        """A parameter that must be there. Raises KeyError with its name."""
        value = self.params.get(name)
        if value in (None, ""):
            raise KeyError(name)
        return str(value)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a JSON payload, or text that is none."""

    payload: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class VenueError(Exception):
    """The venue's own refusal, in its own numbers; nothing changed."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
