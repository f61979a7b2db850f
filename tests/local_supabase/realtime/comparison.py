"""Whether what came is what the transcript lists, by the rules that came with the transcripts."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

PLACEHOLDER = re.compile(r"<(uuid|phx_ref|sub):\d+>")
MASKED_UUID = re.compile(r"00000000-0000-4000-8000-0{11}(\d)|00000000-0000-4000-8000-0{10}(\d\d)")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Number:
    """A JSON number, by its text: 1.5 is not 1.50."""

    text: str


@dataclass(frozen=True)
class Frame:
    """One frame as its protocol's fields say it. event: of a binary frame too."""

    topic: Any
    event: Any
    fields: Any

    @property
    def kind(self) -> tuple[str, str]:
        return (str(self.topic), str(self.event))


def read_json(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def read_frame(data: str | bytes) -> Frame:
    if isinstance(data, bytes):
        return _read_binary(data)
    fields = read_json(data)
    if isinstance(fields, dict):
        return Frame(fields["topic"], fields["event"], fields)
    return Frame(fields[2], fields[3], fields)


def _read_binary(data: bytes) -> Frame:
    kind, topic_size, event_size, metadata_size, encoding = data[:5]
    assert kind == 4, f"unexpected binary frame of kind {kind}"
    rest = data[5:]
    parts = []
    for size in (topic_size, event_size, metadata_size):
        parts.append(rest[:size].decode())
        rest = rest[size:]
    topic, event, metadata = parts
    fields = {
        "user_event": event,
        "metadata": read_json(metadata) if metadata else None,
        "encoding": encoding,
        "payload": read_json(rest) if encoding else rest,
    }
    return Frame(topic, "broadcast", _unmask(fields))


def _unmask(value: Any) -> Any:
    """Masked UUIDs of binary frames in the form that they have elsewhere."""
    if isinstance(value, str):
        return MASKED_UUID.sub(lambda match: f"<uuid:{match[1] or match[2]}>", value)
    if isinstance(value, dict):
        return {name: _unmask(item) for name, item in value.items()}
    return value


@dataclass
class Comparison:
    """Remembers what each placeholder of one transcript stands for."""

    meanings: dict[str, Any] = field(default_factory=dict)

    def window(self, listed: list[Frame], came: list[Frame], optional: list[str]) -> None:
        """What one client got between two points. Raises AssertionError with what is different."""
        for kind in dict.fromkeys(frame.kind for frame in itertools.chain(listed, came)):
            expected = [frame for frame in listed if frame.kind == kind]
            found = [frame for frame in came if frame.kind == kind]
            if kind[1] in optional and not (expected and found):
                continue
            assert len(expected) == len(found), (
                f"{len(found)} {kind} in place of {len(expected)}: {found} in place of {expected}"
            )
            for one, other in zip(expected, found, strict=True):
                assert self.equal(one.fields, other.fields), f"{other.fields} in place of {one.fields}"
        _check_order(came)

    def equal(self, listed: Any, came: Any) -> bool:
        if isinstance(listed, str):
            return self._equal_text(listed, came)
        if isinstance(listed, dict):
            return isinstance(came, dict) and self._equal_maps(listed, came)
        if isinstance(listed, list):
            return (
                isinstance(came, list)
                and len(listed) == len(came)
                and all(self.equal(one, other) for one, other in zip(listed, came, strict=True))
            )
        return bool(listed == came) and type(listed) is type(came)

    def _equal_text(self, listed: str, came: Any) -> bool:
        if (match := PLACEHOLDER.fullmatch(listed)) is not None:
            return self._means(match[1], listed, came)
        if not isinstance(came, str):
            return False
        if listed == "<timestamp>":
            return TIMESTAMP.fullmatch(came) is not None
        if "<N>" in listed:
            return re.fullmatch(re.escape(listed).replace("<N>", r"\d+"), came) is not None
        return listed == came

    def _means(self, kind: str, placeholder: str, came: Any) -> bool:
        if placeholder in self.meanings:
            return bool(self.meanings[placeholder] == came)
        if came in self.meanings.values():
            return False
        if kind == "sub":
            fits = isinstance(came, Number) and came.text.isdigit()
        else:
            shape = UUID if kind == "uuid" else re.compile(".+")
            fits = isinstance(came, str) and shape.fullmatch(came) is not None
        if fits:
            self.meanings[placeholder] = came
        return fits

    def _equal_maps(self, listed: dict[str, Any], came: dict[str, Any]) -> bool:
        if len(listed) != len(came):
            return False
        strangers = [name for name in came if name not in listed]
        for name, value in listed.items():
            if PLACEHOLDER.fullmatch(name):
                match = next((other for other in strangers if self._equal_text(name, other)), None)
                if match is None or not self.equal(value, came[match]):
                    return False
            elif name not in came:
                return False
            elif name == "metas":
                if not self._equal_sets(value, came[name]):
                    return False
            elif not self.equal(value, came[name]):
                return False
        return True

    def _equal_sets(self, listed: list[Any], came: list[Any]) -> bool:
        for order in itertools.permutations(came):
            before = dict(self.meanings)
            if self.equal(listed, list(order)):
                return True
            self.meanings = before
        return False


def _check_order(came: list[Frame]) -> None:
    """What clients rely on: a join is answered first, and a channel's end comes after its reason."""
    joined: dict[Any, int] = {}
    for position, frame in enumerate(came):
        if frame.event == "phx_reply" and "postgres_changes" in str(frame.fields):
            joined.setdefault(frame.topic, position)
    for position, frame in enumerate(came):
        if frame.event in ("presence_state", "phx_close", "system") and frame.topic in joined:
            assert position > joined[frame.topic], f"{frame} came before the answer to the join"
    for position, frame in enumerate(came):
        if frame.event == "phx_close":
            later = [other.event for other in came[position:] if other.topic == frame.topic]
            assert "system" not in later or frame.topic in joined, f"{frame} came before its reason"
