"""How far one symbol's candles have come: what may be delivered, what is missing, what was corrected.

Nothing here waits or asks anybody. A candle is delivered once, in order, when the venue itself called it
closed: on the stream, or over REST after its end. What neither says is missing, and asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# A row of ccxt: open time, open, high, low, close, volume.
Row = tuple[float, ...]

# After the end of a candle, so long may the stream take to say that it closed before REST is asked.
GRACE_MS = 3_000
# So many answers of REST that know later candles and not this one: the venue does not have it. While REST
# knows nothing later either, it lags behind its own stream, and is waited for until GIVE_UP_MS after the
# candle's end.
MOST_ANSWERS = 3
GIVE_UP_MS = 60_000
# A gap is asked for again for so long: REST may come to know of it.
HEAL_MS = 4 * 3_600_000
MOST_GAPS = 240
# So many delivered candles are remembered, to see that one of them is corrected.
KEPT = 16
# So many closed candles may wait behind a gap; those beyond are asked for again.
MOST_WAITING = 1_000


class Track:
    """One symbol of one venue. `step` is the length of its candles in milliseconds.

    Times are the venue's: `now_ms` is asked of whoever knows its clock.
    """

    def __init__(self, symbol: str, unified: str, step: int) -> None:
        self.symbol = symbol
        self.unified = unified
        self.step = step
        # The last candle that was delivered, by its open; None before the first.
        self.last_ms: int | None = None
        # Candles in a row whose trades only REST told of.
        self.unheard = 0
        # Not asked for again before this moment of the loop's clock.
        self.ask_at = 0.0
        # When to ask for gaps again, by the same clock, and the pause after that.
        self.heal_at = 0.0
        self.heal_pause = 0.0
        # Candles that were given up, by their open; newer ones were delivered.
        self._gaps: list[int] = []
        self._newest_ms = 0
        self._heard_ms = 0
        self._answers = 0
        self._beyond = 0
        self._waiting: dict[int, Row] = {}
        self._delivered: dict[int, Row] = {}
        # When the venue told of each of these: what is older and comes later says nothing.
        self._told: dict[int, int] = {}

    def begin(self, last_ms: int) -> None:
        """Deliver what follows the candle of `last_ms`, which history ended with."""
        self.last_ms = last_ms

    def hear(self, row: Row, told_ms: int, *, is_closed: bool) -> Row | None:
        """Take a frame of the stream; answers the row when it corrects a candle that was delivered."""
        opened = int(row[0])
        if self.last_ms is None:
            # A symbol without history begins with the candle that is forming now.
            self.last_ms = opened - self.step
        self._newest_ms = max(self._newest_ms, opened)
        self._heard_ms = max(self._heard_ms, opened)
        self.unheard = 0
        return self._take(row, told_ms) if is_closed else None

    def missing(self, now_ms: int) -> range | None:
        """The opens of candles that ended and were not called closed: what REST has to be asked for."""
        if self.last_ms is None:
            return None
        first = self.last_ms + self.step
        ended = (now_ms - GRACE_MS) // self.step * self.step
        limit = max(self._newest_ms, ended)
        return range(first, limit, self.step) if first < limit else None

    def hear_rest(self, wanted: range, rows: Iterable[Row], now_ms: int) -> list[Row]:
        """Take REST's answer about `wanted`, and answers rows that correct what was delivered.

        The candle that still forms is among the answers of some venues: it is none of ours.
        """
        ended = max(self._newest_ms, now_ms // self.step * self.step)
        corrections = []
        told = 0
        for row in rows:
            told = max(told, int(row[0]))
            if row[0] < ended and (correction := self._take(row, now_ms)) is not None:
                corrections.append(correction)
        traded = [at for at in wanted if at in self._waiting and self._waiting[at][5] > 0]
        if traded and traded[-1] > self._heard_ms:
            self.unheard += 1
        missing = next((at for at in wanted if at not in self._waiting), None)
        if missing is None:
            self._answers = self._beyond = 0
            return corrections
        self._answers += 1
        self._beyond += told > missing
        is_late = now_ms - missing - self.step >= GIVE_UP_MS
        if self._beyond >= MOST_ANSWERS or (is_late and self._answers >= MOST_ANSWERS):
            self._answers = self._beyond = 0
            self._skip(wanted)
        return corrections

    def gaps(self, now_ms: int) -> range | None:
        """The span of the candles that were given up and may be asked for again."""
        self._gaps = [at for at in self._gaps[-MOST_GAPS:] if at > now_ms - HEAL_MS]
        return range(self._gaps[0], self._gaps[-1] + self.step, self.step) if self._gaps else None

    def heal(self, rows: Iterable[Row]) -> list[Row]:
        """Take REST's answer about gaps; answers those that belong between candles that were delivered. What
        is newer than all of these is delivered as any other."""
        newest = max(self._delivered, default=0)
        found = {int(row[0]): row for row in rows if int(row[0]) in self._gaps}
        late = [at for at in found if at > newest]
        if late:
            self.last_ms = min(late) - self.step
            self._gaps = [at for at in self._gaps if at <= self.last_ms]
            self._waiting |= {at: found[at] for at in late}
        self._gaps = [at for at in self._gaps if at not in found]
        return [found[at] for at in sorted(found) if at < newest]

    def take(self) -> list[Row]:
        """The closed candles that follow what was delivered without a hole; they count as delivered."""
        taken: list[Row] = []
        while self.last_ms is not None and (row := self._waiting.pop(self.last_ms + self.step, None)):
            self.last_ms += self.step
            self._answers = self._beyond = 0
            self._remember(row)
            taken.append(row)
        return taken

    def _take(self, row: Row, told_ms: int) -> Row | None:
        opened = int(row[0])
        if told_ms < self._told.get(opened, 0):
            return None
        if self.last_ms is None or opened > self.last_ms:
            self._waiting[opened], self._told[opened] = row, told_ms
            if len(self._waiting) > MOST_WAITING:
                self._told.pop(newest := max(self._waiting))
                del self._waiting[newest]
            return None
        known = self._delivered.get(opened)
        if known is None or known[1:] == row[1:]:
            return None
        self._delivered[opened], self._told[opened] = row, told_ms
        return row

    def _remember(self, row: Row) -> None:
        self._delivered[int(row[0])] = row
        while len(self._delivered) > KEPT:
            oldest = next(iter(self._delivered))
            del self._delivered[oldest]
            self._told.pop(oldest, None)

    def _skip(self, wanted: range) -> None:
        """The venue does not tell the next candles: go on behind the hole."""
        there = [at for at in wanted if at in self._waiting]
        stop = there[0] if there else wanted.stop
        self._gaps += range(wanted.start, stop, self.step)
        self.last_ms = stop - self.step


def frames_of(message: object) -> list[tuple[str, int, int, bool]]:
    """Each candle in a frame of Binance or Bybit: the symbol as the venue names it, the open time, when the
    venue told it, and whether it calls the candle closed. ccxt's parser leaves the last two out.

    Empty for other frames."""
    if not isinstance(message, Mapping):
        return []
    payload = message.get("data", message)
    if isinstance(payload, Mapping) and isinstance(kline := payload.get("k"), Mapping):
        return [(str(kline["s"]), int(kline["t"]), int(payload["E"]), kline["x"] is True)]
    topic = str(message.get("topic", ""))
    if topic.startswith("kline.") and isinstance(payload, list):
        name = topic.rsplit(".", 1)[-1]
        return [(name, int(one["start"]), int(one["timestamp"]), one["confirm"] is True) for one in payload]
    return []
