copy (
  select * from public.signals s
  where s.id >= public.signal_id_floor(%(day)s::date::timestamp at time zone 'UTC')
    and s.id < public.signal_id_floor((%(day)s::date + 1)::timestamp at time zone 'UTC')
) to stdout
