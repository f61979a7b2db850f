"""Client order ids: one definition in Python and SQL, the same in every run."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.world import World
from workers.trading.orders import Leg, client_order_id

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "client_order_ids.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['leg']} {vector['attempt']}")
def test_python_computes_the_id_of_the_vectors(vector: dict[str, str]) -> None:
    made = client_order_id(UUID(vector["signal_id"]), Leg(vector["leg"]), int(vector["attempt"]))
    assert made == vector["client_order_id"]


async def test_sql_computes_the_id_of_the_vectors(world: World) -> None:
    for vector in VECTORS:
        rows = await world.fetch(
            "select private.client_order_id(%s, %s, %s) as id",
            vector["signal_id"],
            vector["leg"],
            vector["attempt"],
        )
        assert rows[0]["id"] == vector["client_order_id"]


@given(st.uuids(), st.sampled_from(Leg), st.integers(1, 10**6))
def test_an_id_fits_the_major_venues(signal: UUID, leg: Leg, attempt: int) -> None:
    made = client_order_id(signal, leg, attempt)
    assert len(made) == 32
    assert set(made) <= set("0123456789abcdef")


@given(st.uuids(), st.sampled_from(Leg), st.integers(1, 100), st.sampled_from(Leg), st.integers(1, 100))
def test_two_orders_never_share_an_id(signal: UUID, one: Leg, first: int, other: Leg, second: int) -> None:
    same = (one, first) == (other, second)
    assert (client_order_id(signal, one, first) == client_order_id(signal, other, second)) is same


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        client_order_id(UUID(int=0), Leg.ENTRY, 0)
