"""The paper exchange: real rules, fees and latency, imagined money."""

from workers.trading.paper.exchange import PaperExchange

__all__ = ["PaperExchange"]
