-- A step each: the second one needs what the first one wrote.
select private.move_signal(id, status::public.signal_status, %(at)s)
from unnest(array['monitoring', 'ready']) with ordinality step (status, place)
cross join unnest(%(ids)s) id
order by step.place
