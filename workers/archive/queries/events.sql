-- The events of one part of a day, without those that lie in the rows of their signals.
from public.signal_events c
left join public.signals s
  on s.id = c.signal_id and s.id >= %(lowest)s and s.id < %(beyond)s
where c.signal_id >= %(lowest)s and c.signal_id < %(beyond)s
  and c.tx >= %(from_tx)s and c.tx < %(to_tx)s
  and ({usual}) is not true
