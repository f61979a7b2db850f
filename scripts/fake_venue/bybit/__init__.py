"""Bybit's wire, version 5: spot and linear perpetuals in one unified account."""
