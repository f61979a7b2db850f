"""Whatever a stream loses, doubles or mixes up and whenever REST fails: each closed candle is delivered once,
in order, as the venue has it, and what the venue does not have is the only gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.signals.feeds.track import (
    GIVE_UP_MS,
    GRACE_MS,
    HEAL_MS,
    KEPT,
    MOST_ANSWERS,
    MOST_GAPS,
    Row,
    Track,
    frames_of,
)

STEP = 60_000
BEGIN = 100 * STEP

# What becomes of one minute: whether the venue has a candle at all, which frames of it come (closing ones
# twice, or some minutes late), whether it is corrected, and whether REST answers at its end: perhaps without
# that candle, which it does not have at once.
MINUTES = st.lists(
    st.fixed_dictionaries(
        {
            "there": st.sampled_from([True, True, True, True, False]),
            "forming": st.booleans(),
            "closing": st.sampled_from([0, 1, 1, 1, 2]),
            "late": st.sampled_from([0, 0, 0, 1, 3]),
            "corrected": st.sampled_from([0, 0, 0, 1, 4]),
            "rest": st.booleans(),
            "lags": st.booleans(),
        }
    ),
    min_size=1,
    max_size=12,
)


class Venue:
    """What REST has, what the track delivered, and what became of that by corrections."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.track = Track("BTCUSDT", "BTC/USDT:USDT", STEP)
        self.track.begin(BEGIN - STEP)
        self.order: list[int] = []
        self.known: dict[int, Row] = {}
        self.versions: list[Row] = []

    def take(self, corrections: list[Row | None]) -> None:
        for row in corrections:
            if row is not None:
                assert self.versions.index(row) > self.versions.index(self.known[int(row[0])])
                self.known[int(row[0])] = row
        for row in self.track.take():
            assert row in self.versions
            self.order.append(int(row[0]))
            self.known[int(row[0])] = row

    def frame(self, row: Row, told_ms: int, *, is_closed: bool = True) -> None:
        self.take([self.track.hear(row, told_ms, is_closed=is_closed)])

    def have(self, row: Row) -> Row:
        self.rows[int(row[0])] = row
        self.versions.append(row)
        return row

    def ask(self, now_ms: int, without: int | None = None) -> None:
        wanted = self.track.missing(now_ms)
        if wanted is not None:
            rows = [
                row
                for at, row in sorted(self.rows.items())
                if at != without and wanted[0] - KEPT * STEP <= at <= wanted[-1]
            ]
            self.take(list(self.track.hear_rest(wanted, rows, now_ms)))


def row_of(at: int, close: float, volume: float = 5.0) -> Row:
    return (float(at), 100.0, 200.0, 50.0, close, volume)


@given(MINUTES)
def test_every_candle_once_in_order_as_the_venue_has_it(minutes: list[dict[str, int]]) -> None:
    venue = Venue()
    frames: list[tuple[int, Row, int]] = []  # in which minute they come, and when they were sent
    corrections: list[tuple[int, int]] = []
    for number, minute in enumerate([*minutes, *[{"there": 1, "closing": 0, "rest": 1}] * 5]):
        at = BEGIN + number * STEP
        now = at + STEP
        if minute["there"]:
            if minute.get("forming"):
                venue.frame(row_of(at, 555.0, 1.0), now - 5_000, is_closed=False)
            row = venue.have(row_of(at, 101.0 + number))
            frames += [(number + minute.get("late", 0), row, now)] * minute["closing"]
            if minute.get("corrected"):
                corrections.append((number + minute["corrected"], at))
        for due, corrected in corrections:
            if due == number:
                row = venue.have(row_of(corrected, 301.0 + number))
                frames.append((number, row, now + 1_000))
        for frame in sorted(one for one in frames if one[0] == number):
            venue.frame(frame[1], frame[2])
        if minute["rest"]:
            venue.ask(now + GRACE_MS, at if minute.get("lags") else None)
    end = BEGIN + (len(minutes) + 5) * STEP + GRACE_MS
    for _ in range((len(minutes) + 5) * (MOST_ANSWERS + 1)):
        venue.ask(end)
    assert venue.track.missing(end) is None
    assert venue.order == sorted(set(venue.order))
    assert venue.order == sorted(venue.rows)
    assert venue.known == venue.rows


def test_answers_about_one_gap_say_nothing_of_the_next() -> None:
    venue = Venue()
    for number in range(2 * MOST_ANSWERS):
        at = BEGIN + number * STEP
        now = at + STEP + GRACE_MS
        row = venue.have(row_of(at, 101.0 + number))
        venue.ask(now, without=at)
        venue.frame(row, now)
    assert venue.order == sorted(venue.rows)


def test_a_gap_that_rest_tells_of_later_is_healed() -> None:
    venue = Venue()
    first, second = row_of(BEGIN, 101.0), row_of(BEGIN + STEP, 102.0)
    venue.versions = [first, second]
    venue.frame(second, BEGIN + 2 * STEP)
    for now in (BEGIN + 2 * STEP - 1, BEGIN + STEP + GIVE_UP_MS - 1):
        for _ in range(2 * MOST_ANSWERS):
            venue.ask(now)
    assert venue.order == [], "REST knows nothing later either: it lags"
    assert venue.track.gaps(BEGIN + 2 * STEP) is None
    venue.ask(BEGIN + STEP + GIVE_UP_MS)
    assert venue.order == [BEGIN + STEP]
    assert venue.track.gaps(BEGIN + 2 * STEP) == range(BEGIN, BEGIN + STEP, STEP)
    assert venue.track.heal([]) == []
    assert venue.track.heal([first, second]) == [first]
    assert venue.track.gaps(BEGIN + 2 * STEP) is None


def test_a_gap_behind_which_nothing_came_is_delivered_as_any_other() -> None:
    venue = Venue()
    now = BEGIN + 3 * STEP + GIVE_UP_MS
    for _ in range(MOST_ANSWERS):
        venue.ask(now)
    assert venue.track.missing(now) is None
    assert (venue.order, venue.track.gaps(now)) == ([], range(BEGIN, BEGIN + 3 * STEP, STEP))
    rows = [venue.have(row_of(BEGIN + number * STEP, 101.0 + number)) for number in range(3)]
    assert venue.track.heal(rows) == []
    venue.take([])
    assert venue.order == [BEGIN, BEGIN + STEP, BEGIN + 2 * STEP]


def test_gaps_are_forgotten_in_the_end() -> None:
    venue = Venue()
    venue.frame(venue.have(row_of(BEGIN + 500 * STEP, 101.0)), BEGIN + 501 * STEP)
    for _ in range(MOST_ANSWERS):
        venue.ask(BEGIN + 501 * STEP)
    assert 200 < len(venue.track.gaps(BEGIN + 501 * STEP) or ()) <= MOST_GAPS
    assert venue.track.gaps(BEGIN + 501 * STEP + HEAL_MS) is None


def test_what_waits_behind_a_gap_is_bounded() -> None:
    track = Track("BTCUSDT", "BTC/USDT:USDT", STEP)
    track.begin(BEGIN)
    for number in range(2, 5_000):
        track.hear(row_of(BEGIN + number * STEP, 100.0), number, is_closed=True)
    assert track.take() == []
    assert len(track._waiting) == len(track._told) == 1_000


def test_frames_that_hold_no_candles_are_none_of_ours() -> None:
    assert frames_of({"result": None, "id": 1}) == []
    assert frames_of({"e": "trade", "s": "BTCUSDT", "p": "1"}) == []
    assert frames_of({"topic": "tickers.BTCUSDT", "data": {"symbol": "BTCUSDT"}}) == []
    assert frames_of("pong") == []
    combined = {
        "stream": "btcusdt@kline_1m",
        "data": {"e": "kline", "E": 9, "k": {"s": "BTCUSDT", "t": 7, "x": True}},
    }
    assert frames_of(combined) == [("BTCUSDT", 7, 9, True)]
