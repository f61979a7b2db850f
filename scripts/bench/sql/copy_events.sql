copy bench.signal_events (signal_id, user_id, occurred_at, number, event_type, location, to_status, worker) from stdin
