-- All snapshots of the signals of one part of a day.
from public.signal_monitoring_snapshots c
left join public.signals s
  on s.id = c.signal_id and s.id >= %(lowest)s and s.id < %(beyond)s
where c.signal_id >= %(lowest)s and c.signal_id < %(beyond)s
  and (
    c.signal_id in (
      select e.signal_id from public.signal_events e
      where e.signal_id >= %(lowest)s and e.signal_id < %(beyond)s and e.tx >= %(from_tx)s and e.tx < %(to_tx)s
    )
    or not exists (
      select from public.signal_events e
      where e.signal_id = c.signal_id and e.signal_id >= %(lowest)s and e.signal_id < %(beyond)s
    )
  )
