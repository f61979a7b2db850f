"""What pgoutput says of inserted rows. Everything else it says is passed over."""

from __future__ import annotations

import struct

# Column values as PostgreSQL sends them in binary.
Row = dict[str, bytes | None]

RELATION, INSERT = ord("R"), ord("I")
NULL, UNCHANGED = ord("n"), ord("u")


class Decoder:
    """Knows the tables of one stream: each is described once, before its first row."""

    def __init__(self) -> None:
        self._columns: dict[int, list[str]] = {}

    def inserted(self, message: memoryview) -> Row | None:
        """The row, if the message is about an inserted one."""
        if message[0] == RELATION:
            self._learn(bytes(message))
        elif message[0] == INSERT:
            return self._row(message)
        return None

    def _learn(self, message: bytes) -> None:
        (relation,) = struct.unpack_from("!I", message, 1)
        # Schema and name end in a zero; after them comes one byte of replica identity.
        position = message.index(0, message.index(0, 5) + 1) + 2
        (count,) = struct.unpack_from("!H", message, position)
        position += 2
        names = []
        for _ in range(count):
            end = message.index(0, position + 1)
            names.append(message[position + 1 : end].decode())
            position = end + 9
        self._columns[relation] = names

    def _row(self, message: memoryview) -> Row:
        relation, _, count = struct.unpack_from("!IcH", message, 1)
        row: Row = {}
        position = 8
        for name in self._columns[relation][:count]:
            kind = message[position]
            position += 1
            if kind in (NULL, UNCHANGED):
                row[name] = None
                continue
            (size,) = struct.unpack_from("!I", message, position)
            position += 4
            row[name] = bytes(message[position : position + size])
            position += size
        return row
