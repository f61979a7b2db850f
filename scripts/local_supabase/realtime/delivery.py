"""What goes to everybody on a topic, framed once for each protocol however many receive it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.frames import Frame, Message, Serializer


@dataclass(slots=True)
class Delivery:
    """A message to all on a topic, from nobody's join: it has neither ref nor join_ref.

    payload: JSON value, raw bytes, or a UserBroadcast. extension: what one must be allowed to read to get it.
    """

    topic: str
    event: str
    payload: Any
    extension: str = "broadcast"
    _frames: dict[type, Frame | None] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        return self.payload.id if isinstance(self.payload, UserBroadcast) else None

    def frame(self, serializer: Serializer) -> Frame | None:
        """None for a client that cannot receive it."""
        kind = type(serializer)
        if kind not in self._frames:
            self._frames[kind] = self._encode(serializer)
        return self._frames[kind]

    def _encode(self, serializer: Serializer) -> Frame | None:
        if isinstance(self.payload, UserBroadcast):
            return serializer.encode_user_broadcast(self.topic, self.payload)
        if isinstance(self.payload, bytes):
            return serializer.encode_binary(self.topic, self.event, self.payload)
        return serializer.encode(Message(self.topic, self.event, self.payload))
