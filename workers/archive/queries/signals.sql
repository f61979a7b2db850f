-- The signals of one part of a day: whose events lie in the part. c is the creation event, where it says nothing that
-- the signal's row does not say. A signal without any event cannot be; if there is one, it is kept all the same.
from public.signals s
left join public.signal_events c
  on c.signal_id = s.id and c.number = 1
  and c.signal_id >= %(lowest)s and c.signal_id < %(beyond)s
  and c.tx >= %(from_tx)s and c.tx < %(to_tx)s
  and {usual}
where s.id >= %(lowest)s and s.id < %(beyond)s
  and (
    s.id in (
      select e.signal_id from public.signal_events e
      where e.signal_id >= %(lowest)s and e.signal_id < %(beyond)s and e.tx >= %(from_tx)s and e.tx < %(to_tx)s
    )
    or not exists (
      select from public.signal_events e
      where e.signal_id = s.id and e.signal_id >= %(lowest)s and e.signal_id < %(beyond)s
    )
  )
