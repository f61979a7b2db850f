select e.created_at, e.event_type, e.actor, e.details
from public.account_events e
where e.account_id = %(id)s
order by e.id
