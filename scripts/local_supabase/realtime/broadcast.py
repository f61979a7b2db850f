"""A broadcast whose payload passes through the server unread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.local_supabase.realtime import jsontext


@dataclass(slots=True)
class UserBroadcast:
    """A broadcast whose payload stays as the sender wrote it: JSON text, or bytes when not is_json.

    id: of the database's row, none for others. replayed: sent again to one that joined later.
    """

    event: str
    payload: bytes
    is_json: bool
    id: str | None = None
    replayed: bool = False

    def meta(self) -> dict[str, Any]:
        if self.id is None:
            return {}
        return {"id": self.id, "replayed": True} if self.replayed else {"id": self.id}

    def metadata(self) -> bytes:
        """As the binary frames carry it."""
        meta = self.meta()
        return jsontext.write(meta).encode() if meta else b""

    def as_payload(self) -> dict[str, Any]:
        """As the text frames carry it. Only for JSON."""
        payload = {"event": self.event, "payload": jsontext.raw(self.payload), "type": "broadcast"}
        meta = self.meta()
        return payload | {"meta": meta} if meta else payload
