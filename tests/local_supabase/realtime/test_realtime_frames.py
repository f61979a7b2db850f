"""Frames of both protocols, and the messages that they carry."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.local_supabase.realtime import jsontext
from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.delivery import Delivery
from scripts.local_supabase.realtime.frames import V1, V2, Malformed, Message, serializer
from scripts.local_supabase.realtime.pgoutput import Decoder

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def push(kind: int, fields: list[bytes], payload: bytes, encoding: int | None = None) -> bytes:
    head = bytes([kind, *(len(field) for field in fields)])
    return head + (b"" if encoding is None else bytes([encoding])) + b"".join(fields) + payload


@given(VALUES)
def test_no_digit_is_lost(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(jsontext.write(jsontext.read(text))) == value


@pytest.mark.parametrize(
    "text", ["123456789012345678901234567890", "0.1234567890123456789012345", "-98765432109876543210.50"]
)
def test_long_numbers_keep_their_text(text: str) -> None:
    assert jsontext.write(jsontext.read(f"[{text}]")) == f"[{text}]"


@given(TEXTS, TEXTS, TEXTS, TEXTS, VALUES)
def test_text_frames_of_the_second_protocol(
    topic: str, event: str, ref: str, join_ref: str, payload: Any
) -> None:
    # As the server has it: read from a client's text, whatever the size of its numbers.
    known = jsontext.read(json.dumps(payload))
    frame = V2().encode(Message(topic, event, known, ref, join_ref))
    message = V2().decode(frame)
    assert (message.topic, message.event, message.ref, message.join_ref) == (topic, event, ref, join_ref)
    assert json.loads(jsontext.write(message.payload)) == payload


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.binary(max_size=99))
def test_binary_broadcasts_pass_through(
    topic: str, event: str, ref: str, join_ref: str, payload: bytes
) -> None:
    fields = [join_ref.encode(), ref.encode(), topic.encode(), event.encode(), b""]
    message = V2().decode(push(3, fields, payload, encoding=0))
    assert (message.topic, message.event, message.ref) == (topic, "broadcast", ref)
    assert message.payload == UserBroadcast(event, payload, is_json=False)
    frame = V2().encode_user_broadcast(topic, message.payload)
    assert frame == push(4, [topic.encode(), event.encode(), b""], payload, encoding=0)
    assert V1().encode_user_broadcast(topic, message.payload) is None


@given(TEXTS, TEXTS, st.binary(max_size=99))
def test_binary_pushes_are_passed_on_as_bytes(topic: str, event: str, payload: bytes) -> None:
    message = V2().decode(push(0, [b"1", b"2", topic.encode(), event.encode()], payload))
    assert (message.topic, message.event, message.payload) == (topic, event, payload)
    delivery = Delivery(topic, event, payload)
    assert delivery.frame(V2()) == push(2, [topic.encode(), event.encode()], payload)
    assert delivery.frame(V1()) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for protocol in (V1(), V2()):
        try:
            protocol.decode(data)
        except Malformed:
            continue


@given(st.text(max_size=60))
def test_any_text_is_a_message_or_malformed(text: str) -> None:
    for protocol in (V1(), V2()):
        try:
            protocol.decode(text)
        except Malformed:
            continue


def test_a_broadcast_that_claims_to_be_json_must_be_json() -> None:
    with pytest.raises(Malformed):
        V2().decode(push(3, [b"1", b"2", b"realtime:x", b"e", b""], b'{"a"', encoding=1))


def test_what_is_nested_too_deeply_is_malformed() -> None:
    with pytest.raises(Malformed):
        V2().decode("[" * 100_000 + "1234567890123456" + "]" * 100_000)


def test_names_that_are_too_long_for_a_binary_frame_are_not_sent() -> None:
    broadcast = UserBroadcast("e" * 256, b"{}", is_json=True)
    assert V2().encode_user_broadcast("realtime:x", broadcast) is None
    assert V1().encode_user_broadcast("realtime:x", broadcast) is not None


def test_a_row_of_the_database_tells_its_id() -> None:
    broadcast = UserBroadcast("e", b'{"n": 1.50}', is_json=True, id="abc", replayed=True)
    frame = V1().encode_user_broadcast("realtime:x", broadcast)
    assert frame == (
        '{"ref":null,"event":"broadcast","payload":{"event":"e","payload":{"n": 1.50},"type":"broadcast",'
        '"meta":{"id":"abc","replayed":true}},"topic":"realtime:x"}'
    )


@pytest.mark.parametrize(
    ("version", "protocol"),
    [(None, V1), ("", V1), ("1.0.0", V1), ("1.0.9", V1), ("2.0.0", V2), ("3.0.0", None), ("2", None)],
)
def test_versions(version: str | None, protocol: type | None) -> None:
    assert type(serializer(version)) is (protocol or type(None))


def test_rows_of_pgoutput() -> None:
    decoder = Decoder()
    relation = struct.pack("!cI", b"R", 7) + b"realtime\0messages_2026_01_01\0d" + struct.pack("!H", 3)
    for name in (b"topic", b"private", b"event"):
        relation += b"\1" + name + b"\0" + struct.pack("!Ii", 25, -1)
    assert decoder.inserted(memoryview(relation)) is None
    row = struct.pack("!cIcH", b"I", 7, b"N", 3)
    row += b"b" + struct.pack("!I", 3) + b"abc" + b"b" + struct.pack("!I", 1) + b"\1" + b"n"
    assert decoder.inserted(memoryview(row)) == {"topic": b"abc", "private": b"\1", "event": None}
    assert decoder.inserted(memoryview(b"B" + bytes(20))) is None
