select e.order_id, e.number, e.occurred_at, e.event_type, e.from_status, e.to_status, e.event_data, e.worker, e.created_at
from public.order_events e where e.signal_id = %(id)s order by e.occurred_at, e.order_id, e.number
