"""Live candles through the real ccxt.pro, on the wires of Binance and Bybit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scripts.fake_venue import Fault
from shared.candles import MINUTE_MS
from shared.errors import InputError
from shared.market import Market
from tests.signals.live import live_scene
from tests.signals.recordings import trader
from tests.signals.scene import Scene as RoleScene
from tests.waiting import until
from workers.machine import _heal
from workers.signals.feeds.feed import FeedUnavailable
from workers.signals.feeds.track import MOST_ANSWERS
from workers.signals.feeds.venue import open_exchange
from workers.signals.following import Following
from workers.signals.role import TRADERS

WIRES = [("binance", "usdm"), ("binance", "spot"), ("bybit", "usdm"), ("bybit", "spot")]
on_each_wire = pytest.mark.parametrize(("name", "market"), WIRES)


@on_each_wire
async def test_a_candle_is_delivered_when_the_venue_calls_it_closed(name: str, market: str) -> None:
    async with live_scene(name, market) as one:  # type: ignore[arg-type]
        await one.start()
        assert [(c.symbol, c.open_ms, c.close) for c in one.history] == [
            (symbol, one.at(minutes), 90.0 - minutes)
            for minutes in range(-5, 0)
            for symbol in ("BTCUSDT", "ETHUSDT")
        ]
        one.form("BTCUSDT", 0, 555.0)
        one.close("BTCUSDT", 0, 101.0)
        await one.expect("BTCUSDT", 101.0)
        one.form("BTCUSDT", 1, 555.0)
        one.close("BTCUSDT", 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        one.know("ETHUSDT", 0, 55.0)
        one.close("ETHUSDT", 1, 56.0)
        await one.expect("ETHUSDT", 55.0, 56.0)
        assert one.feed.gate.missing == 0
        assert name in one.feed.description
        assert one.feed.kind == "live"


@on_each_wire
async def test_what_a_disconnection_missed_is_fetched_before_anything_newer(name: str, market: str) -> None:
    async with live_scene(name, market) as one:  # type: ignore[arg-type]
        await one.start()
        one.close("BTCUSDT", 0, 101.0)
        await one.expect("BTCUSDT", 101.0)
        # The stream breaks in the middle of a minute; that minute and the two after it pass unseen.
        one.form("BTCUSDT", 1, 555.0)
        await one.venue.cut_streams()
        for minutes, close in ((1, 102.0), (2, 103.0), (3, 104.0)):
            one.close("BTCUSDT", minutes, close)
        one.venue.mend_streams()
        await until(lambda: one.subscriptions() == 2)
        one.close("BTCUSDT", 4, 105.0)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0, 104.0, 105.0)
        assert one.feed.counts["reconnects"] >= 1
        assert one.feed.gate.missing == 0


async def test_a_last_frame_that_was_lost_is_never_made_up() -> None:
    async with live_scene() as one:
        await one.start()
        one.form("BTCUSDT", 0, 555.0)
        one.pass_time(1)
        one.know("BTCUSDT", 0, 101.0)
        one.form("BTCUSDT", 1)
        await one.expect("BTCUSDT", 101.0)
        assert one.feed.counts["repairs"] == 1


async def test_a_minute_that_ends_in_silence_is_asked_for() -> None:
    async with live_scene() as one:
        await one.start()
        one.know("BTCUSDT", 0, 101.0)
        one.know("ETHUSDT", 0, 55.0)
        one.pass_time(1.1)
        await one.expect("BTCUSDT", 101.0)
        await one.expect("ETHUSDT", 55.0)


async def test_the_candle_that_forms_is_not_taken_for_a_closed_one() -> None:
    async with live_scene() as one:
        await one.start()
        one.know("BTCUSDT", 0, 101.0)
        # REST tells it too, as venues do.
        one.know("BTCUSDT", 1, 555.0)
        one.pass_time(1.1)
        await one.expect("BTCUSDT", 101.0)
        one.close("BTCUSDT", 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)


async def test_doubled_late_and_swapped_frames_change_nothing() -> None:
    async with live_scene() as one:
        await one.start()
        for kind in ("doubled", "swapped"):
            one.venue.faults.add(Fault(kind, "EVENT kline", nth=2, times=2))
        for minutes in range(4):
            one.form("BTCUSDT", minutes, 555.0)
            one.close("BTCUSDT", minutes, 101.0 + minutes)
        one.tell("BTCUSDT", 1, 102.0)
        one.close("BTCUSDT", 4, 105.0)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0, 104.0, 105.0)
        assert one.corrected == []


async def test_a_candle_that_is_corrected_later_is_told_and_not_delivered_again() -> None:
    async with live_scene() as one:
        await one.start()
        one.close("BTCUSDT", 0, 101.0)
        one.close("BTCUSDT", 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        one.know("BTCUSDT", 0, 101.5)
        one.tell("BTCUSDT", 0, 101.5)
        await until(lambda: one.corrected)
        # One that no frame tells of is found when REST is asked for something else.
        one.know("BTCUSDT", 1, 102.5)
        one.know("BTCUSDT", 2, 103.0)
        one.pass_time(3.1)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0)
        await until(lambda: len(one.corrected) == 2)
        assert [(c.open_ms, c.close) for c in one.corrected] == [(one.at(0), 101.5), (one.at(1), 102.5)]
        assert one.feed.counts["corrections"] == 2


async def test_a_candle_that_the_venue_does_not_have_stays_a_gap_and_is_named() -> None:
    async with live_scene() as one:
        await one.start()
        one.close("BTCUSDT", 0, 101.0)
        with capture_logs() as entries:
            one.close("BTCUSDT", 3, 104.0)
            await one.expect("BTCUSDT", 101.0, 104.0)
        (told,) = [entry for entry in entries if entry["event"] == "candles_missing"]
        assert (told["symbol"], told["missing"]) == ("BTCUSDT", 2)
        assert one.feed.gate.missing == 2


@pytest.mark.parametrize("name", ["binance", "bybit"])
async def test_rest_that_lags_behind_the_stream_is_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.signals.feeds.live.FIRST_PAUSE", 0.01)
    async with live_scene(name, symbols=("BTCUSDT",)) as one:
        await one.start()
        one.pass_time(1.95)
        one.tell("BTCUSDT", 1, 102.0)
        # REST ends with minute -1: nothing of what came since, whatever it is asked.
        await until(lambda: one.feed.counts["repairs"] >= 2 * MOST_ANSWERS)
        assert (one.got["BTCUSDT"], one.feed.gate.missing) == ([], 0)
        one.know("BTCUSDT", 0, 101.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        assert (one.feed.gate.missing, one.healed) == (0, [])


async def test_a_gap_heals_when_the_venue_tells_of_it_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.signals.feeds.live.FIRST_PAUSE", 0.01)
    async with live_scene(symbols=("BTCUSDT",), heal_seconds=0.05) as one:
        await one.start()
        held = RoleScene(tmp_path, trader("close < 100"), replay=False)
        held.market.seed(one.history)
        held.market.follow("5m")
        await held.role.start()
        one.feed.on_healed = partial(_heal, held.market, held.role)
        one.close("BTCUSDT", 0, 101.0)
        one.pass_time(3)
        one.tell("BTCUSDT", 2, 103.0)
        one.pass_time(3.2)
        with capture_logs() as entries:
            await one.expect("BTCUSDT", 101.0, 103.0)
        assert [entry["missing"] for entry in entries if entry["event"] == "candles_missing"] == [1]
        for candle in one.got["BTCUSDT"]:
            held.market.publish(candle)
        await held.role.step()
        assert held.role.counts["fired"] == 0
        one.know("BTCUSDT", 1, 99.0)
        await until(lambda: one.feed.counts["healed"] == 1)
        await held.role.step()
        assert held.role.counts["caught_up"] == 1, "it fell below 100 in the minute that came late"
        assert [c.close for c in held.market.history("BTCUSDT", count=3)] == [101.0, 99.0, 103.0]
        await held.role.stop()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("error", 503), ("error", 429), ("limited", 429), ("drop", 0), ("garbage", 0)],
)
@pytest.mark.parametrize("name", ["binance", "bybit"])
async def test_rest_that_fails_for_a_while_delays_and_loses_nothing(
    name: str, kind: str, status: int
) -> None:
    async with live_scene(name) as one:
        await one.start()
        fault = {
            "error": Fault("error_before", one.klines, times=2, status=status),
            "limited": Fault("rate_limited", one.klines, times=2, retry_after=0),
            "drop": Fault("drop_before", one.klines),
            "garbage": Fault("garbage_before", one.klines),
        }[kind]
        one.venue.faults.add(fault)
        one.know("BTCUSDT", 0, 101.0)
        one.know("BTCUSDT", 1, 102.0)
        one.close("BTCUSDT", 2, 103.0)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0)
        assert fault.struck == fault.times
        assert one.feed.gate.missing == 0


async def test_what_the_venue_refuses_to_tell_is_not_taken_for_missing() -> None:
    async with live_scene() as one:
        await one.start()
        one.venue.faults.add(refused := Fault("error_before", one.klines, times=8, status=422))
        one.know("BTCUSDT", 0, 101.0)
        one.close("BTCUSDT", 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        assert (refused.struck, one.feed.gate.missing) == (8, 0)


async def test_a_stream_that_went_silent_is_opened_again() -> None:
    async with live_scene(stale_seconds=0.3) as one:
        await one.start()
        one.venue.silence_streams()
        assert one.subscriptions() == 0
        await until(lambda: one.subscriptions() == 2)
        one.close("BTCUSDT", 0, 101.0)
        await one.expect("BTCUSDT", 101.0)
        assert one.feed.counts["silences"] >= 1


async def test_a_subscription_that_died_alone_is_noticed() -> None:
    async with live_scene() as one:
        await one.start()
        one.venue.binance.streams.leave("usdm:btcusdt@kline_1m")
        for minutes in range(3):
            one.know("BTCUSDT", minutes, 101.0 + minutes)
            one.close("ETHUSDT", minutes, 50.0)
            one.pass_time(minutes + 1.1)
            await until(lambda count=minutes + 1: len(one.got["BTCUSDT"]) == count)  # type: ignore[misc]
        await until(lambda: one.subscriptions() == 2)
        assert one.feed.counts["resubscriptions"] >= 1


async def test_a_symbol_that_is_delisted_is_named_and_the_others_go_on() -> None:
    async with live_scene() as one:
        await one.start()
        one.close("BTCUSDT", 0, 101.0)
        one.close("ETHUSDT", 0, 51.0)
        await one.expect("ETHUSDT", 51.0)
        one.venue.delist("ETH/USDT:USDT")
        with capture_logs() as entries:
            one.pass_time(2.1)
            await until(lambda: one.feed.gone == {"ETHUSDT"})
        assert [entry["symbol"] for entry in entries if entry["event"] == "symbol_gone"] == ["ETHUSDT"]
        one.close("BTCUSDT", 1, 102.0)
        one.close("BTCUSDT", 2, 103.0)
        await one.expect("BTCUSDT", 101.0, 102.0, 103.0)
        assert one.feed.symbols == ("BTCUSDT",)


async def test_a_symbol_that_is_not_traded_leaves_the_others_alone() -> None:
    async with live_scene(symbols=("BTCUSDT", "NOPEUSDT"), listed=("BTCUSDT",)) as one:
        await one.start()
        one.close("BTCUSDT", 0, 101.0)
        await one.expect("BTCUSDT", 101.0)
        assert one.feed.gone == {"NOPEUSDT"}


async def test_a_symbol_is_followed_later() -> None:
    async with live_scene(symbols=("BTCUSDT",), listed=("BTCUSDT", "SOLUSDT")) as one:
        await one.start()
        history = await one.feed.follow(["SOLUSDT"])
        assert [candle.open_ms for candle in history] == [one.at(minutes) for minutes in range(-5, 0)]
        await one.subscribed()
        one.close("SOLUSDT", 0, 150.0)
        await one.expect("SOLUSDT", 150.0)
        assert one.feed.symbols == ("BTCUSDT", "SOLUSDT")


async def test_longer_intervals_have_their_own_history() -> None:
    async with live_scene() as one:
        hour = 60 * MINUTE_MS
        first = one.at(0) // hour * hour
        for back in range(1, 9):
            bar = replace(one.bar("BTCUSDT", 0, 90.0 + back), open_ms=first - back * hour)
            one.venue.know_candle(replace(bar, close_ms=bar.open_ms + hour), one.name)
        # Its hour has not ended.
        bar = replace(one.bar("BTCUSDT", 0, 555.0), open_ms=first, close_ms=first + hour)
        one.venue.know_candle(bar, one.name)
        await one.start()
        found = await one.feed.longer({"BTCUSDT": {"1m", "1h"}, "NOPEUSDT": {"1h"}})
        assert [(candle.interval, candle.close) for candle in found] == [
            ("1h", 90.0 + back) for back in range(5, 0, -1)
        ]
        market = Market()
        market.seed(one.history)
        market.seed_longer(found)
        market.follow("1h")
        assert market.history("BTCUSDT", "1h") == found
        assert market.base_interval("BTCUSDT") == "1m"


async def test_a_new_trader_has_its_symbols_with_their_history(tmp_path: Path) -> None:
    async with live_scene(symbols=("BTCUSDT",), listed=("BTCUSDT", "SOLUSDT")) as one:
        await one.start()
        held = RoleScene(tmp_path, trader("close > 120"), replay=False)
        held.market.seed(one.history)
        held.role._holds = lambda symbol: held.market.base_interval(symbol) is not None  # as shares do
        await held.role.start()
        following = Following(one.feed, held.market, held.role)
        assert await following.step() == 0
        held.traders.append(trader("close > 120", name="new", symbols=("SOLUSDT", "NOPEUSDT")))
        held.wakes.wake(TRADERS)
        await held.role.step()
        assert await following.step() == 2
        assert len(held.market.history("SOLUSDT")) == 5
        assert one.feed.gone == {"NOPEUSDT"}
        assert await following.step() == 0
        await held.role.step()
        await one.subscribed()
        one.close("SOLUSDT", 0, 150.0)
        await one.expect("SOLUSDT", 150.0)
        held.market.publish(one.got["SOLUSDT"][0])
        await held.role.step()
        assert held.role.counts["fired"] == 1
        await held.role.stop()


async def test_two_hundred_symbols_come_over_a_few_sockets() -> None:
    symbols = [f"C{number:03}USDT" for number in range(200)]
    async with live_scene(symbols=symbols, history=2) as one:
        await one.start()
        sockets = list(one.venue.binance.streams)
        assert sorted(len(socket.topics) for socket in sockets) == [100, 100]
        for minutes in range(3):
            one.pass_time(minutes + 1)
            for symbol in symbols:
                one.know(symbol, minutes, 101.0 + minutes)
                one.form(symbol, minutes, 555.0)
                one.tell(symbol, minutes, 101.0 + minutes)
        await until(lambda: all(len(one.got[symbol]) == 3 for symbol in symbols))
        assert one.feed.gate.admitted == 200 * 5
        cached = [
            len(cache)
            for line in one.feed._lines
            for by_interval in line.exchange.ohlcvs.values()
            for cache in by_interval.values()
        ]
        assert len(cached) == 200
        assert max(cached) <= 4


async def test_history_of_a_span_comes_in_pages() -> None:
    async with live_scene() as one:
        for minutes in range(-1200, -5):
            one.know("BTCUSDT", minutes, 100.0 + minutes % 7)
        await one.start()
        found = await one.feed.history("BTCUSDT", "1m", one.at(-1150), one.at(-3))
        assert [candle.open_ms for candle in found] == [one.at(minutes) for minutes in range(-1150, -3)]


async def test_a_venue_that_cannot_be_reached_is_named() -> None:
    async with live_scene() as one:
        one.venue.faults.add(Fault("error_before", times=99))
        with pytest.raises(FeedUnavailable, match="binanceusdm delivers no candles: ExchangeNotAvailable"):
            await one.feed.open()


async def test_a_symbol_that_is_not_traded_is_named() -> None:
    async with live_scene(symbols=("NOPEUSDT",), listed=("BTCUSDT",)) as one:
        with pytest.raises(InputError, match="binanceusdm does not trade NOPEUSDT on its usdm market"):
            await one.feed.open()


def test_an_unknown_venue_is_named() -> None:
    with pytest.raises(InputError, match="unknown venue 'mtgox' for usdm candles; known are binance, bybit"):
        open_exchange("mtgox", "usdm")
