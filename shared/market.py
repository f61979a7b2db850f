"""What all roles of one machine see of the market: closed candles, as the feed publishes them."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from operator import attrgetter

from shared.aggregation import Aggregation, join
from shared.candles import INTERVALS, Candle, Gap, Gate, Refusal, exact, interval_ms

__all__ = ["INTERVALS", "Candle", "Gap", "Gate", "Market", "Refusal", "exact", "interval_ms"]

Listener = Callable[[Candle], None]


class Market:
    """The latest candles and a short history of each symbol and interval, and who wants to hear of new ones.

    The feed publishes one base interval a symbol (the finest that it has). Longer ones are built from it for
    everybody once somebody asks with `follow`. `kind` is 'usdm' or 'spot': a machine watches one of them.
    """

    def __init__(self, kind: str = "usdm", depth: int = 1024) -> None:
        self.kind = kind
        self._depth = depth
        self._history: dict[tuple[str, str], deque[Candle]] = {}
        self._base: dict[str, str] = {}
        self._followed: list[str] = []
        self._aggregations: dict[str, list[Aggregation]] = {}
        self._listeners: list[tuple[Listener, bool]] = []

    def publish(self, candle: Candle) -> None:
        """Make one closed candle known, then the longer candles that it completes.

        Raises ValueError for a candle that is not newer than the last of its symbol and interval: candles
        pass a `Gate` first. A listener's error reaches the caller.
        """
        symbol = candle.symbol
        base = self._base.setdefault(symbol, candle.interval)
        self._keep(candle)
        # Built before anybody hears of the candle: a listener may call `follow`, which reads the history.
        longer = self._build_longer(candle) if candle.interval == base else []
        for listener, _ in tuple(self._listeners):
            listener(candle)
        for built in longer:
            for listener, aggregated in tuple(self._listeners):
                if aggregated:
                    listener(built)

    def seed(self, candles: Iterable[Candle]) -> None:
        """Make candles from before the start known for history's sake: no listener hears of them."""
        for candle in candles:
            base = self._base.setdefault(candle.symbol, candle.interval)
            self._keep(candle)
            if candle.interval == base:
                self._build_longer(candle)

    def seed_longer(self, candles: Iterable[Candle]) -> None:
        """Make longer candles known that the short ones of `seed` do not reach back to; those that are known
        already stay."""
        found: dict[tuple[str, str], dict[int, Candle]] = {}
        for candle in candles:
            found.setdefault((candle.symbol, candle.interval), {})[candle.open_ms] = candle
        for key, by_open in found.items():
            by_open |= {known.open_ms: known for known in self._history.get(key, ())}
            self._history[key] = deque((by_open[at] for at in sorted(by_open)), maxlen=self._depth)

    def correct(self, candle: Candle) -> bool:
        """Put a corrected candle in the place of the one that was published; answers whether it was known.

        Nobody hears of it: what was evaluated stands. Whoever reads history from now on reads the corrected
        one, and the longer candles that it is a part of.
        """
        if not self._replace(candle):
            return False
        if candle.interval == self._base.get(candle.symbol):
            for aggregation in self._aggregations.get(candle.symbol, ()):
                aggregation.correct(candle)
                if (whole := self._join_around(candle, aggregation)) is not None:
                    self._replace(whole)
        return True

    def insert(self, candle: Candle) -> bool:
        """Put a base candle that came late between those that were published before and after it; answers
        whether there was such a place.

        Nobody hears of it. History has it from now on, and the longer candles that it completes.
        """
        known = self._history.get((candle.symbol, self._base.get(candle.symbol, "")))
        if not known or not known[0].open_ms < candle.open_ms < known[-1].open_ms:
            return False
        if candle.interval != known[0].interval or not self._place(candle):
            return False
        for aggregation in self._aggregations.get(candle.symbol, ()):
            aggregation.insert(candle)
            if (whole := self._join_around(candle, aggregation)) is not None:
                self._place(whole)
        return True

    def follow(self, interval: str) -> None:
        """Ask for candles of `interval` of every symbol; what history allows is built at once, unheard."""
        length = interval_ms(interval)
        if interval in self._followed:
            return
        self._followed.append(interval)
        self._followed.sort(key=interval_ms)
        for symbol, base in self._base.items():
            if symbol not in self._aggregations or not _divides(interval_ms(base), length):
                continue
            aggregation = Aggregation(interval)
            for candle in self._history[symbol, base]:
                longer = aggregation.add(candle)
                last = self.latest(symbol, interval)
                if longer is not None and (last is None or longer.open_ms > last.open_ms):
                    self._keep(longer)
            self._aggregations[symbol].append(aggregation)
            self._aggregations[symbol].sort(key=lambda one: one.length)

    def subscribe(self, listener: Listener, *, aggregated: bool = False) -> Callable[[], None]:
        """Call `listener` with every candle that the feed publishes, and with `aggregated` also with those
        built from them. Listeners are called in the order they came; the answer ends the subscription."""
        entry = (listener, aggregated)
        self._listeners.append(entry)

        def unsubscribe() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return unsubscribe

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have been published so far, in alphabetical order."""
        return tuple(sorted(self._base))

    def base_interval(self, symbol: str) -> str | None:
        """The interval that the feed delivers for this symbol."""
        return self._base.get(symbol)

    def latest(self, symbol: str, interval: str | None = None) -> Candle | None:
        """The last closed candle, of the base interval unless one is named."""
        known = self._history.get((symbol, interval or self._base.get(symbol, "")))
        return known[-1] if known else None

    def price(self, symbol: str) -> Decimal | None:
        """The last close as money."""
        candle = self.latest(symbol)
        return None if candle is None else candle.price

    def history(self, symbol: str, interval: str | None = None, count: int | None = None) -> list[Candle]:
        """The last `count` closed candles (all that are kept without it), the oldest first."""
        known = self._history.get((symbol, interval or self._base.get(symbol, "")), deque())
        if count is None or count >= len(known):
            return list(known)
        return list(islice(known, len(known) - count, None)) if count > 0 else []

    def _keep(self, candle: Candle) -> None:
        key = (candle.symbol, candle.interval)
        known = self._history.get(key)
        if known is None:
            known = self._history[key] = deque(maxlen=self._depth)
        elif known and candle.open_ms <= known[-1].open_ms:
            raise ValueError(
                f"a {candle.interval} candle of {candle.symbol} at {candle.open_ms} ms is not newer than the "
                f"last one at {known[-1].open_ms} ms"
            )
        known.append(candle)

    def _join_around(self, candle: Candle, aggregation: Aggregation) -> Candle | None:
        """The longer candle around a short one, when all of it is known."""
        bucket = candle.open_ms - candle.open_ms % aggregation.length
        known = self._history[candle.symbol, candle.interval]
        parts = [one for one in known if bucket <= one.open_ms < bucket + aggregation.length]
        is_whole = len(parts) * (candle.close_ms - candle.open_ms) == aggregation.length
        return join(parts, aggregation.interval) if is_whole else None

    def _place(self, candle: Candle) -> bool:
        """Keep it where it belongs, unless it is known or older than all that there is room for."""
        known = self._history.setdefault((candle.symbol, candle.interval), deque(maxlen=self._depth))
        place = bisect_left(known, candle.open_ms, key=attrgetter("open_ms"))
        if place < len(known) and known[place].open_ms == candle.open_ms:
            return False
        if len(known) == known.maxlen:
            if place == 0:
                return False
            known.popleft()
            place -= 1
        known.insert(place, candle)
        return True

    def _replace(self, candle: Candle) -> bool:
        known = self._history.get((candle.symbol, candle.interval), deque())
        for back in range(1, len(known) + 1):
            if known[-back].open_ms <= candle.open_ms:
                is_known = known[-back].open_ms == candle.open_ms
                if is_known:
                    known[-back] = candle
                return is_known
        return False

    def _build_longer(self, candle: Candle) -> list[Candle]:
        symbol = candle.symbol
        if symbol not in self._aggregations:
            self._aggregations[symbol] = self._start_aggregations(symbol)
        built = [aggregation.add(candle) for aggregation in self._aggregations[symbol]]
        longer = [one for one in built if one is not None]
        for one in longer:
            self._keep(one)
        return longer

    def _start_aggregations(self, symbol: str) -> list[Aggregation]:
        base = interval_ms(self._base[symbol])
        return [Aggregation(name) for name in self._followed if _divides(base, interval_ms(name))]


def _divides(short: int, long: int) -> bool:
    return short < long and long % short == 0
