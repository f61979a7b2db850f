-- The rows that record_monitoring writes for a batch, and nothing else that it does.
with told as (
  select s.id, s.user_id, i.item
  from jsonb_array_elements(%(items)s::jsonb) i (item)
  join public.signals s on s.id = (i.item ->> 'signal_id')::uuid
    and s.id between %(first)s and %(last)s
), kept as (
  insert into public.signal_monitoring_snapshots
    (signal_id, user_id, occurred_at, number, action, price, volume, price_change_1m, price_change_5m, confidence, reasoning,
     indicators)
  select t.id, t.user_id, (t.item ->> 'at')::timestamptz, %(number)s, t.item ->> 'action', (t.item ->> 'price')::numeric,
    (t.item ->> 'volume')::numeric, (t.item ->> 'price_change_1m')::numeric, (t.item ->> 'price_change_5m')::numeric,
    (t.item ->> 'confidence')::numeric, t.item ->> 'reasoning', t.item -> 'indicators'
  from told t
)
update public.signals s set current_price = (t.item ->> 'price')::numeric, updated_at = clock_timestamp()
from told t
where s.id = t.id and s.id between %(first)s and %(last)s
