-- Takes the signals of a day from one status to another: those of 3 in 100 ids that are traded, or all others.
update public.signals s
set status = %(to)s::public.signal_status, outcome_code = %(outcome)s
where s.id >= public.signal_id_floor(%(day)s::date::timestamp at time zone 'UTC')
  and s.id < public.signal_id_floor((%(day)s::date + 1)::timestamp at time zone 'UTC')
  and s.status = %(from)s::public.signal_status
  and ((get_byte(uuid_send(s.id), 15) * 256 + get_byte(uuid_send(s.id), 14)) %% 100 < 3) = %(traded)s
