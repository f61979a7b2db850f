"""One seal: what it says, how it is signed and hashed, and how it lies in the store."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Self

import orjson

from workers.archive.marks import pack, unpack
from workers.archive.records import BYTEA, DATE, INT4, INT8, TEXT, TIMESTAMPTZ, framer, to_binary
from workers.archive.records import int8 as _int8

FOLDER = "seals"
KEYS_FOLDER = "seal-keys"

_MESSAGE = framer((TEXT, INT8, TEXT, TEXT, DATE, INT8, INT8, INT8, INT8, BYTEA, BYTEA, TIMESTAMPTZ, TEXT))
_FILE = framer((TEXT, INT4, TEXT, INT8, INT8, INT8, BYTEA, BYTEA, INT8, INT8, TEXT))
_COMPACTION = framer((INT8, DATE, TIMESTAMPTZ, *[INT8] * 7))

_COUNTS = (
    "kept_signals",
    "kept_events",
    "kept_snapshots",
    "removed_signals",
    "removed_events",
    "removed_snapshots",
    "to_tx",
)


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain. `signature` is over `message`; the next seal carries `hash`.

    kind: `events`, `archive`, `compaction` or `key`
    reference: the part of an archived day, or the compaction's id
    content_hash: of the events, of the listed files, of the compaction's record; a new key's own bytes
    """

    number: int
    kind: str
    epoch: str
    partition_day: date | None
    reference: int | None
    from_tx: int | None
    to_tx: int | None
    event_count: int
    content_hash: bytes
    previous_hash: bytes | None
    sealed_at: datetime
    key_id: str
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        return _MESSAGE(
            [
                b"sigtrail seal 1",
                _int8(self.number),
                self.kind.encode(),
                self.epoch.encode(),
                to_binary(self.partition_day),
                _int8(self.reference),
                _int8(self.from_tx),
                _int8(self.to_tx),
                _int8(self.event_count),
                self.content_hash,
                self.previous_hash,
                to_binary(self.sealed_at),
                self.key_id.encode(),
            ]
        )

    @property
    def hash(self) -> bytes:
        return sha256(self.message).digest()

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    def to_json(self) -> dict[str, Any]:
        """For people and programs; bytes as hexadecimal."""
        return {
            field.name: value.hex() if isinstance(value := getattr(self, field.name), bytes) else value
            for field in fields(self)
        }


COLUMNS = ", ".join(field.name for field in fields(Seal))


def path_of(number: int) -> str:
    """Where the file of a seal is: a thousand to a folder."""
    return f"{FOLDER}/{number // 1000:09d}/{number:012d}.json"


def to_file(made: Seal, marks: bytes | None) -> bytes:
    """A seal as it lies in the store; `marks` are six bytes an event that find the place of a change."""
    document = made.to_json() | {"marks": None if marks is None else base64.b64encode(pack(marks)).decode()}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def from_file(content: bytes) -> tuple[Seal, bytes | None]:
    """A seal and its marks out of a file. Raises ValueError when it is none."""
    try:
        found = orjson.loads(content)
        marks = found.pop("marks")
        for name in ("content_hash", "previous_hash", "signature"):
            found[name] = None if found[name] is None else bytes.fromhex(found[name])
        found["sealed_at"] = datetime.fromisoformat(found["sealed_at"])
        if found["partition_day"] is not None:
            found["partition_day"] = date.fromisoformat(found["partition_day"])
        made = Seal(**found)
        made.message  # noqa: B018 - raises where a value has the wrong type
        return made, None if marks is None else unpack(
            base64.b64decode(marks, validate=True), made.event_count
        )
    except (KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise ValueError(str(error)) from error


def files_hash(files: Sequence[dict[str, Any]]) -> bytes:
    """The content of an archive link: every listed file of one part, in order of path."""
    content = sha256()
    for file in sorted(files, key=lambda row: str(row["path"])):
        content.update(
            _FILE(
                [
                    to_binary(file["kind"]),
                    file["part"].to_bytes(4, "big"),
                    to_binary(file["path"]),
                    _int8(file["row_count"]),
                    _int8(file["creation_count"]),
                    _int8(file["byte_count"]),
                    file["file_hash"],
                    file["content_hash"],
                    _int8(file["from_tx"]),
                    _int8(file["to_tx"]),
                    to_binary(file["epoch"]),
                ]
            )
        )
    return content.digest()


def compaction_hash(row: dict[str, Any]) -> bytes:
    """The content of a compaction's link: its record."""
    return sha256(
        _COMPACTION(
            [
                _int8(row["id"]),
                to_binary(row["day"]),
                to_binary(row["compacted_at"]),
                *(_int8(row[name]) for name in _COUNTS),
            ]
        )
    ).digest()
