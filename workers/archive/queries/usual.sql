-- Whether the event c says nothing but that its signal s was recorded.
c.number = 1 and c.event_type = 'signal_created' and c.location = 'ingest'
and c.from_status is null and c.to_status = 'new' and c.worker is not null
and c.event_data is null and c.error_info is null
and c.order_id is null and c.position_id is null and c.execution_id is null
and c.user_id = s.user_id and c.occurred_at = s.triggered_at and c.created_at = s.created_at
