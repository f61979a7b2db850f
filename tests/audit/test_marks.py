"""Marks come out of a seal's file as they went in, take little more than their hashes, and fill no memory."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.archive.marks import MARK_BYTES, pack, unpack


@given(st.lists(st.binary(min_size=MARK_BYTES, max_size=MARK_BYTES)))
def test_marks_come_back(marks: list[bytes]) -> None:
    assert unpack(pack(b"".join(marks)), len(marks)) == b"".join(marks)


@given(st.lists(st.binary(min_size=MARK_BYTES, max_size=MARK_BYTES), min_size=1), st.integers(-2, 2))
def test_marks_are_those_of_so_many_events(marks: list[bytes], more: int) -> None:
    if more:
        with pytest.raises(ValueError, match=r"marks|negative"):
            unpack(pack(b"".join(marks)), len(marks) + more)


@given(st.binary(max_size=20))
def test_bytes_of_another_kind_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="marks"):
        unpack(packed, 1)


def test_a_batch_takes_what_its_hashes_take() -> None:
    chance = random.Random(7)
    marks = b"".join(b"\x2a\x01" + chance.randbytes(4) for _ in range(1000))
    assert len(pack(marks)) < 4.1 * 1000


def test_what_unpacks_without_end_is_left_packed() -> None:
    with pytest.raises(ValueError, match="not those of 1 events"):
        unpack(zlib.compress(bytes(10**8)), 1)
