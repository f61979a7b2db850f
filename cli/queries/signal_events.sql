select number, occurred_at, event_type, location, worker, from_status, to_status, event_data, error_info,
       order_id, position_id, execution_id, created_at
from public.signal_events where signal_id = %(id)s order by number
