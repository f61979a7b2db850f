"""What the console's audit page is tested against: a chain of seals, and a report, as this code makes them.

`python -m tests.audit.console_vectors` writes the file anew.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cli.audit_report import COLUMNS, cell
from workers.archive.keys import SealKey
from workers.archive.seal import Seal

FILE = Path(__file__).parents[1] / "vectors" / "audit.json"

_FIRST = base64.b64encode(b"the first key of the vectors, 32").decode()
_SECOND = base64.b64encode(b"the second key of these vectors.").decode()

_TEXTS: list[list[str | None]] = [
    ["plain", "", None, "1"],
    ["=1+1", "-5", "-", "+"],
    ['says "no"', "a, b", "two\nlines", "with\rreturn"],
    ["@here", "\tindented", "\uff1dwide", "\U0001f4c8 up"],
    ['{"note": "gap up, then \\"down\\""}', "   spaces ", "'quoted'", "ümlaut"],
]


def make() -> dict[str, Any]:
    """A chain with a link of every kind and a new key, and cells that spreadsheets stumble over."""
    return {"seals": _chain(), "csv": _report(), "report_columns": list(COLUMNS)}


def _chain() -> dict[str, Any]:
    old, new = SealKey.from_text(_FIRST), SealKey.from_text(_SECOND)
    chain: list[Seal] = []
    plan: list[tuple[SealKey, dict[str, Any]]] = [
        (old, {"kind": "events", "partition_day": date(2025, 5, 4), "from_tx": 0, "to_tx": 812}),
        (old, {"kind": "events", "partition_day": date(1999, 12, 31), "from_tx": 0, "to_tx": 900}),
        (old, {"kind": "events", "partition_day": date(2025, 5, 4), "from_tx": 812, "to_tx": 2**40}),
        (
            old,
            {
                "kind": "archive",
                "partition_day": date(1999, 12, 31),
                "reference": 1,
                "from_tx": 7,
                "to_tx": 900,
            },
        ),
        (old, {"kind": "compaction", "partition_day": date(1999, 12, 31), "reference": 3, "to_tx": 900}),
        (old, {"kind": "key", "partition_day": None}),
        (new, {"kind": "events", "partition_day": date(2025, 5, 5), "from_tx": 0, "to_tx": 2**40 + 9}),
    ]
    for number, (key, values) in enumerate(plan, start=1):
        content = new.public_key if values["kind"] == "key" else sha256(f"content {number}".encode()).digest()
        seal = Seal(
            number=number,
            epoch="7561926518316957719",
            event_count=0 if values["kind"] == "key" else number * 11,
            content_hash=content,
            previous_hash=chain[-1].hash if chain else None,
            sealed_at=datetime(2026, 11, 22, 7, number, 0, 123450 + number, tzinfo=UTC),
            key_id=key.id,
            **{"reference": None, "from_tx": None, "to_tx": None} | values,
        )
        chain.append(replace(seal, signature=key.sign(seal.message)))
    return {
        "public_keys": [base64.b64encode(key.public_key).decode() for key in (old, new)],
        "rows": [_row(seal) for seal in chain],
        "hashes": [seal.hash.hex() for seal in chain],
    }


def _row(seal: Seal) -> dict[str, Any]:
    """As the REST interface answers it with numbers as text."""
    row = seal.to_json()
    for name in ("content_hash", "previous_hash", "signature"):
        row[name] = None if row[name] is None else f"\\x{row[name]}"
    for name in ("number", "reference", "from_tx", "to_tx", "event_count"):
        row[name] = None if row[name] is None else str(row[name])
    row["partition_day"] = None if seal.partition_day is None else seal.partition_day.isoformat()
    row["sealed_at"] = seal.sealed_at.isoformat()
    return row


def _report() -> dict[str, Any]:
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    for texts in _TEXTS:
        writer.writerow([cell(text) for text in texts])
    return {"rows": _TEXTS, "text": output.getvalue()}


def write() -> None:
    FILE.write_text(json.dumps(make(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()
