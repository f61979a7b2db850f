select count(*) from public.signals
where id >= public.signal_id_floor(%(first)s::date::timestamp at time zone 'UTC')
  and id < public.signal_id_floor((%(last)s::date + 1)::timestamp at time zone 'UTC')
