select number, occurred_at, action, price, volume, price_change_1m, price_change_5m, confidence, reasoning, indicators
from public.signal_monitoring_snapshots where signal_id = %(id)s order by number
