"""What a machine does with its shares, without a database: when it takes, gives, and says how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.candles import MINUTE_MS
from shared.errors import NotSent
from tests.signals.recordings import DAY, make, trader
from tests.signals.scene import Scene
from tests.waiting import until
from workers.signals.shares import SHARES, Shares, share_of

BTC = share_of("BTCUSDT")


class Database:
    """Answers renewals as it is told to; keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.held: list[dict[str, Any]] = []
        self.lost: list[int] = []
        self.give: list[int] = []
        self.away = False

    async def call(self, name: str, params: Mapping[str, Any], /) -> Any:
        if self.away:
            raise NotSent("the database is away")
        self.said.append((name, params))
        if name == "renew_shares":
            return {"held": self.held, "lost": self.lost, "give": self.give, "free": 0}
        return len(params.get("shares", []))

    def grant(self, *shares: int, fence: int = 1, mark: int | None = None) -> None:
        self.held = [{"share": one, "fence": fence, "evaluated_to": mark, "taken": True} for one in shares]

    def last(self, name: str) -> Mapping[str, Any]:
        return [params for said, params in self.said if said == name][-1]


async def scene_of(folder: Path, **options: Any) -> tuple[Scene, Shares, Database]:
    """A role on a market of one symbol, which evaluates what its shares hold."""
    scene = Scene(folder, trader("close < 100"), replay=False)
    database = Database()
    shares = Shares("binance", scene.market, database.call, **options)
    scene.role._holds = shares.holds
    shares.serve(scene.role)
    return scene, shares, database


async def test_a_symbol_of_another_machine_is_not_evaluated(tmp_path: Path) -> None:
    scene, shares, database = await scene_of(tmp_path)
    database.grant((BTC + 1) % SHARES)
    await shares.renew()
    await scene.role.start()
    for minute in range(4):
        scene.market.publish(make(minute, 101.0 if minute % 2 else 99.0))
    await scene.role.step()
    assert scene.role.counts["evaluated"] == scene.role.counts["fired"] == 0
    assert not shares.holds("BTCUSDT")
    await scene.role.stop()


async def test_what_closed_since_the_mark_of_a_share_is_made_up_for(tmp_path: Path) -> None:
    scene, shares, database = await scene_of(tmp_path)
    await shares.renew()
    await scene.role.start()
    for minute in range(8):
        scene.market.publish(make(minute, 99.0 if minute % 2 else 101.0))
    await scene.role.step()
    assert scene.role.counts["fired"] == 0
    database.grant(BTC, mark=DAY + 4 * MINUTE_MS)
    await shares.renew()
    await scene.role.step()
    assert scene.role.counts["caught_up"] == 2  # those of minutes 5 and 7
    scene.market.publish(make(8, 101.0))
    scene.market.publish(make(9, 99.0))
    await scene.role.step()
    assert scene.role.counts["fired"] == 1
    await scene.role.stop()


async def test_a_mark_waits_for_what_the_database_has_not_answered_for(tmp_path: Path) -> None:
    scene, shares, database = await scene_of(tmp_path)
    database.grant(BTC)
    await shares.renew()
    await scene.role.start()
    scene.market.publish(make(0, 101.0))
    await scene.role.step()
    await shares.renew()
    (said,) = database.last("renew_shares")["shares"]
    assert said == {"share": BTC, "fence": 1, "evaluated_to": DAY + MINUTE_MS}
    scene.market.publish(make(1, 99.0))
    assert shares._said()[0]["evaluated_to"] in (None, DAY + MINUTE_MS)
    await scene.role.step()
    await until(lambda: shares._said()[0]["evaluated_to"] == DAY + 2 * MINUTE_MS)
    assert scene.role.counts["pending"] == 0
    await scene.role.stop()


async def test_a_machine_without_the_database_goes_on_with_what_it_has(tmp_path: Path) -> None:
    scene, shares, database = await scene_of(tmp_path)
    scene.market.seed([make(0, 101.0)])
    database.grant(BTC)
    await shares.renew()
    database.away = True
    with pytest.raises(NotSent):
        await shares.renew()
    assert shares.holds("BTCUSDT")
    database.away = False
    database.held, database.lost = [], [BTC]
    await shares.renew()
    assert not shares.holds("BTCUSDT")
    assert shares.counts["lost"] == 1
    assert scene.role.counts["fired"] == 0


async def test_more_than_is_fair_is_given_back(tmp_path: Path) -> None:
    _, shares, database = await scene_of(tmp_path)
    database.grant(1, 2, 3)
    database.give = [3]
    await shares.renew()
    assert list(shares.held) == [1, 2]
    told = {
        sample.labels.get("as", one.name): sample.value for one in shares.measure() for sample in one.samples
    }
    assert (told["sigtrail_shares_held"], told["taken"], told["given"], told["lost"]) == (2, 3, 1, 0)
    assert [one["share"] for one in database.last("release_shares")["shares"]] == [3]
    database.give = []
    database.grant(1, 2)
    await shares.start()
    await shares.stop()
    assert not list(shares.held)
    assert [one["share"] for one in database.last("release_shares")["shares"]] == [1, 2]
    assert database.last("leave_shares") == {}
    assert all(database.last(one)["venue"] == "binance" for one in ("renew_shares", "release_shares"))


async def test_no_more_symbols_are_asked_for_than_fit(tmp_path: Path) -> None:
    scene, shares, database = await scene_of(tmp_path, most_symbols=3)
    names = [f"S{number:02}USDT" for number in range(40)]
    scene.market.seed(make(0, 101.0, name) for name in names)
    await shares.renew()
    most = database.last("renew_shares")["most"]
    sizes = sorted((sum(share_of(name) == share for name in names) for share in range(SHARES)), reverse=True)
    assert sum(sizes[:most]) <= 3 < sum(sizes[: most + 1])
