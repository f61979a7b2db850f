"""The way of a request: held back for a reason that is named, never sent twice, seen by all gates."""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from ccxt.base import errors

from workers.trading.lease import Lease
from workers.trading.traffic.gates import Gates, Way
from workers.trading.traffic.limiter import Limiter, Wait
from workers.trading.traffic.limiter_budgets import tariff_of
from workers.trading.traffic.traffic import PUT_OFF, Turn, Withheld, asking
from workers.trading.traffic.venue_clock import Offset


class Time:
    """A clock for everything, which sleeping moves."""

    def __init__(self) -> None:
        self.at = 5000.0
        self.slept: list[float] = []
        # What happens while somebody sleeps.
        self.wakes: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.at += seconds
        while self.wakes:
            self.wakes.pop()()


class Scene:
    """Two accounts of one venue."""

    def __init__(self, folder: Path) -> None:
        self.time = Time()
        self.gates = Gates(
            folder,
            sleep=self.time.sleep,
            monotonic=self.time,
            now_ms=lambda: round(self.time.at * 1000),
            chance=random.Random(3),
        )
        self.leases = [Lease(self.time) for _ in range(2)]
        for lease in self.leases:
            lease.extend(self.time.at, 1e9)
        self.ways = [self.gates.way("bybit", f"account-{n}", lease) for n, lease in enumerate(self.leases)]
        self.sent: list[str] = []

    async def send(
        self, kind: Turn = "order", name: str = "create_order", error: Exception | None = None, way: int = 0
    ) -> None:
        """One request over a way."""
        async with self.ways[way].turn(kind, name):
            self.sent.append(name)
            if error is not None:
                raise error

    def limiter(self, way: int) -> Limiter:
        """The limiter of a way."""
        found = self.ways[way]._limiter
        assert found is not None
        return found

    async def refusal(self, kind: Turn = "order", name: str = "create_order", way: int = 0) -> str:
        """The code that a request is held back with."""
        before = len(self.sent)
        with pytest.raises(Withheld) as caught:
            await self.send(kind, name, way=way)
        assert len(self.sent) == before
        return caught.value.code


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_without_its_lease_an_account_asks_and_sends_nothing(scene: Scene) -> None:
    scene.leases[0].end()
    kinds: tuple[Turn, ...] = ("order", "stop", "cancel")
    for kind in kinds:
        assert await scene.refusal(kind) == "lease_over"
    await scene.send("read", "fetch_balance")
    await scene.send(way=1)


async def test_a_lease_that_ends_while_the_request_waits_is_noticed(scene: Scene) -> None:
    scene.ways[0].hear(429, {"retry-after": "0.5"})
    scene.time.wakes.append(scene.leases[0].end)
    assert await scene.refusal("stop") == "lease_over"
    assert scene.time.slept == [0.5]


async def test_where_the_disk_takes_nothing_the_accounts_of_a_process_still_share_the_address(
    tmp_path: Path,
) -> None:
    """Counted by account alone, a hundred of them would get the address banned, and no stop would leave."""
    blocked = tmp_path / "a file where the folder should be"
    blocked.write_text("")
    scene = Scene(blocked)
    weights = tariff_of("bybit").budgets[0]
    for number in range(weights.room("read")):
        await scene.send("read", "fetch_time", way=number % 2)
    for way in range(2):
        with pytest.raises(Wait, match="rate_limited"):
            scene.limiter(way).take("read", "fetch_time")
        scene.limiter(way).take("stop", "create_order")


async def test_a_clock_that_is_ahead_needs_more_of_the_lease(scene: Scene) -> None:
    """A signature of the future is good for longer: by as much as our clock may be ahead of the venue's."""
    lease = scene.leases[0]
    scene.time.at = lease._ends - 5.0
    await scene.send("stop")
    clock = scene.gates._venues["bybit"].clock
    clock.note(Offset(-3000.0, -2900.0))
    assert await scene.refusal("stop") == "lease_over"
    lease.extend(scene.time.at, 6.0)
    await scene.send("stop")


async def test_failures_of_one_account_hold_the_entries_of_all(scene: Scene) -> None:
    for _ in range(5):
        with pytest.raises(errors.RequestTimeout):
            await scene.send(error=errors.RequestTimeout("no answer"))
    assert await scene.refusal() == "venue_down"
    assert await scene.refusal("read", "fetch_balance", way=1) == "venue_down"
    await scene.send("stop")
    # The stop went well: the venue is back.
    assert scene.gates.visible()["bybit"]["breaker"]["state"] == "closed"


async def test_a_refusal_is_an_answer(scene: Scene) -> None:
    for _ in range(9):
        with pytest.raises(errors.InsufficientFunds):
            await scene.send("read", "fetch_balance", errors.InsufficientFunds("too little"))
    assert scene.gates.visible()["bybit"]["breaker"]["state"] == "closed"


async def test_a_wrong_clock_holds_entries_and_nothing_else(scene: Scene) -> None:
    async with scene.ways[0].turn("read", "fetch_time"):
        scene.ways[0].hear(200, {"date": formatdate(1_000_000_000, usegmt=True)})
    assert await scene.refusal(way=1) == "clock_skewed"
    await scene.send("stop")
    await scene.send("cancel", "cancel_order")
    await scene.send("read", "fetch_balance")
    told = scene.gates.visible()["bybit"]["clock"]
    assert told["sound"] is False
    assert told["offset_ms"] < -1_000_000


async def test_a_ban_ends_patience_at_once(scene: Scene) -> None:
    scene.ways[0].hear(418, {"retry-after": "90"})
    kinds: tuple[Turn, ...] = ("order", "stop", "read")
    for kind in kinds:
        assert await scene.refusal(kind, way=1) == "rate_limited"
    assert scene.time.slept == []


async def test_a_routine_question_holds_nobody_up_and_is_put_off(scene: Scene) -> None:
    with asking("routine"):
        while scene.limiter(0)._tariff.budgets[0].room("routine") > len(scene.sent):
            await scene.send("read", "fetch_time")
        assert await scene.refusal("read", "fetch_time", way=1) == PUT_OFF
        # What is no question counts as itself.
        await scene.send("order")
    assert scene.time.slept == []
    # What something asks for that happened still leaves, and what an entry waits for has a share of its own.
    while scene.limiter(0)._tariff.budgets[0].room("read") > len(scene.sent):
        await scene.send("read", "fetch_time")
    with asking("order"):
        await scene.send("read", "fetch_balance", way=1)
    assert scene.time.slept == []


async def test_too_many_requests_in_a_body_slow_this_account_down(scene: Scene) -> None:
    with pytest.raises(errors.RateLimitExceeded):
        await scene.send("read", "fetch_balance", errors.RateLimitExceeded("10006 too many visits"))
    await scene.send(way=1)
    assert scene.gates.visible()["bybit"]["breaker"]["state"] == "closed"


async def test_what_was_broken_off_says_nothing_of_the_venue(scene: Scene) -> None:
    with pytest.raises(KeyError):
        await scene.send(error=KeyError("ours"))
    await scene.send()


def test_paper_has_no_limits_and_is_not_shown(tmp_path: Path) -> None:
    gates = Gates(tmp_path)
    way: Way = gates.way("paper", "one", Lease())
    way.hear(429, {"retry-after": "90"})
    assert gates.visible() == {}
    assert list(tmp_path.iterdir()) == []


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_an_account_that_is_seated_again_leaves_no_file_open(tmp_path: Path) -> None:
    gates, lease = Gates(tmp_path), Lease()
    lease.extend(lease._now(), 1e9)

    async def seat() -> int:
        async with gates.way("bybit", "one", lease).turn("read", "fetch_balance"):
            return open_files()

    first = await seat()
    assert [await seat() for _ in range(3)] == [first] * 3
    gates.close()
    assert open_files() < first


async def test_the_use_of_limits_is_there_to_see(scene: Scene) -> None:
    before = scene.gates.use()
    assert set(before.values()) == {0.0}
    for _ in range(3):
        await scene.send()
    use = scene.gates.use()
    budgets = {(one.scope, one.window_ms): one for one in tariff_of("bybit").budgets}
    assert {(scope, window) for _, scope, window in use} == budgets.keys()
    assert all(0 < share <= 1 for share in use.values())
    address = next(one for one in budgets.values() if one.scope == "address")
    assert use["bybit", "address", address.window_ms] >= 3 / address.limit
