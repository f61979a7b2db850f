"""Binance's wires: spot under api.binance.com, USD-M futures under fapi.binance.com, and their streams."""
