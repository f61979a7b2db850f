"""How far a machine has come: up to which close each symbol was evaluated, with all that fired on the disk.

A start reads them and evaluates the candles that closed since. A mark that is older than the truth makes
signals again that exist already, which their ids make harmless; so marks are written after the signals, and
never synced. Marks that cannot be read count as very old ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import orjson

from workers.signals.spool import SpoolError


class Marks:
    """The file `evaluated` in the spool's folder. `closes` are Unix milliseconds by symbol.

    `lost` says that there were marks and they cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "evaluated"
        self.closes: dict[str, int] = {}
        self.lost = False

    def read(self) -> None:
        """Take up what an earlier process wrote; nothing when there was none."""
        try:
            checksum, _, text = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return
        except OSError:
            self.lost = True
            return
        if checksum == _checksum(text):
            self.closes = orjson.loads(text)
        else:
            self.lost = True

    def since(self, symbol: str) -> int | None:
        """Up to which close this symbol was evaluated; None when it never was."""
        return self.closes.get(symbol, 0 if self.lost else None)

    def set(self, closes: Mapping[str, int]) -> None:
        """Note these closes too. Raises `SpoolError` when the disk refuses; the older marks stay."""
        noted = {**self.closes, **closes}
        if noted == self.closes and not self.lost:
            return
        text = orjson.dumps(noted)
        draft = self.path.with_suffix(".new")
        try:
            draft.write_bytes(_checksum(text) + b"\n" + text)
            draft.replace(self.path)
        except OSError as error:
            raise SpoolError(f"{self.path} cannot be written: {error.strerror}") from error
        self.closes, self.lost = noted, False


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
