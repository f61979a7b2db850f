copy (
  select * from public.signal_events e
  where e.signal_id >= public.signal_id_floor(%(day)s::date::timestamp at time zone 'UTC')
    and e.signal_id < public.signal_id_floor((%(day)s::date + 1)::timestamp at time zone 'UTC')
  order by e.signal_id, e.number
) to stdout
