"""Frames on the wire: protocol 1.0.0 (JSON objects) and 2.0.0 (JSON arrays and binary frames)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from scripts.local_supabase.realtime import jsontext
from scripts.local_supabase.realtime.broadcast import UserBroadcast

Frame = str | bytes

# Kinds of binary frames: the first byte.
PUSH, BROADCAST, USER_BROADCAST_PUSH, USER_BROADCAST = 0, 2, 3, 4


class Malformed(ValueError):
    """A frame that says nothing. It is ignored; the socket stays open."""


@dataclass(slots=True)
class Message:
    """One message of either protocol, in either direction.

    payload: a JSON value; raw bytes of a binary push; or a UserBroadcast, whose payload stays as it was sent
    size: of the frame that it came in
    """

    topic: Any
    event: Any
    payload: Any
    ref: Any = None
    join_ref: Any = None
    size: int = 0


class Serializer(Protocol):
    def decode(self, data: Frame) -> Message: ...

    def encode(self, message: Message) -> Frame: ...

    def encode_binary(self, topic: str, event: str, payload: bytes) -> Frame | None:
        """None when this protocol cannot say it."""
        ...

    def encode_user_broadcast(self, topic: str, broadcast: UserBroadcast) -> Frame | None:
        """None when this protocol cannot say it."""
        ...


class V1:
    """Text only: binary payloads never reach these clients."""

    def decode(self, data: Frame) -> Message:
        fields = _read_text(data)
        if not isinstance(fields, dict):
            raise Malformed("not an object")
        try:
            return Message(
                topic=fields["topic"],
                event=fields["event"],
                payload=fields["payload"],
                ref=fields["ref"],
                join_ref=fields.get("join_ref"),
                size=len(data),
            )
        except KeyError as missing:
            raise Malformed(f"without {missing}") from None

    def encode(self, message: Message) -> Frame:
        return jsontext.write(
            {
                "ref": message.ref,
                "event": message.event,
                "payload": message.payload,
                "topic": message.topic,
            }
        )

    def encode_binary(self, topic: str, event: str, payload: bytes) -> Frame | None:
        return None

    def encode_user_broadcast(self, topic: str, broadcast: UserBroadcast) -> Frame | None:
        if not broadcast.is_json:
            return None
        return self.encode(Message(topic, "broadcast", broadcast.as_payload()))


class V2:
    def decode(self, data: Frame) -> Message:
        if isinstance(data, bytes):
            return _read_binary(data)
        fields = _read_text(data)
        if not isinstance(fields, list) or len(fields) < 5:
            raise Malformed("not an array of five")
        join_ref, ref, topic, event, payload = fields[:5]
        return Message(topic, event, payload, ref, join_ref, len(data))

    def encode(self, message: Message) -> Frame:
        return jsontext.write([message.join_ref, message.ref, message.topic, message.event, message.payload])

    def encode_binary(self, topic: str, event: str, payload: bytes) -> Frame | None:
        return _write_binary(BROADCAST, (topic.encode(), event.encode()), payload)

    def encode_user_broadcast(self, topic: str, broadcast: UserBroadcast) -> Frame | None:
        fields = (topic.encode(), broadcast.event.encode(), broadcast.metadata())
        return _write_binary(USER_BROADCAST, fields, broadcast.payload, bytes((broadcast.is_json,)))


def serializer(version: str | None) -> Serializer | None:
    """For the `vsn` of a handshake; None when it is unknown. No version at all means the first."""
    match (version or "1.0.0").split("."):
        case ["1", "0", _]:
            return V1()
        case ["2", "0", _]:
            return V2()
    return None


def _read_text(data: Frame) -> Any:
    if isinstance(data, bytes):
        raise Malformed("binary")
    try:
        return jsontext.read(data)
    except ValueError as error:
        raise Malformed(str(error)) from None


def _read_binary(data: bytes) -> Message:
    try:
        if data[0] == PUSH:
            (join_ref, ref, topic, event), rest = _split(data[1:5], data[5:])
            return Message(topic, event, rest, ref, join_ref, len(data))
        if data[0] == USER_BROADCAST_PUSH:
            (join_ref, ref, topic, event, metadata), payload = _split(data[1:6], data[7:])
            if metadata:
                jsontext.read(metadata)
            broadcast = UserBroadcast(event, payload, is_json=data[6] != 0)
            if broadcast.is_json:
                # It passes through as it is: what is not JSON would spoil the frames it is put in.
                jsontext.read(payload)
            return Message(topic, "broadcast", broadcast, ref, join_ref, len(data))
    except (IndexError, ValueError) as error:
        raise Malformed(str(error)) from None
    raise Malformed(f"unknown kind {data[0]}")


def _write_binary(kind: int, fields: tuple[bytes, ...], payload: bytes, rest: bytes = b"") -> bytes | None:
    """None when a field is too long: sizes are single bytes."""
    if any(len(field) > 255 for field in fields):
        return None
    return b"".join((bytes((kind, *(len(field) for field in fields))), rest, *fields, payload))


def _split(sizes: bytes, data: bytes) -> tuple[list[str], bytes]:
    """Texts of these sizes from the front of data, and what is left."""
    texts = []
    start = 0
    for size in sizes:
        if start + size > len(data):
            raise Malformed("too short")
        texts.append(data[start : start + size].decode())
        start += size
    return texts, data[start:]
