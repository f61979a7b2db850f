copy bench.signals (
  id, user_id, trader_id, machine_id, triggered_at, status_at, source, side, symbol, normalised_symbol, "interval",
  initial_price, current_price, matched_conditions, original_signal
) from stdin
