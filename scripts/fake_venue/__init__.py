"""A fake exchange that speaks the real wires of Binance spot, Binance USD-M and Bybit, on TLS and loopback.

Built so that an unmodified ccxt signs, sends and parses: tests, benchmarks and `up` trade on it, and script
what goes wrong. `FakeVenue` is the way in.
"""

from scripts.fake_venue.faults import ANSWERS, EVENTS, Fault
from scripts.fake_venue.venue import FakeVenue

__all__ = ["ANSWERS", "EVENTS", "FakeVenue", "Fault"]
