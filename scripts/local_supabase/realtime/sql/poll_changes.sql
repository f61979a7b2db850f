-- Each change as the clients get it: JSON text, so that numbers keep their digits.
select
  (
    jsonb_build_object('columns', '[]'::jsonb, 'commit_timestamp', null)
    || case when wal ->> 'type' = 'DELETE' then '{}'::jsonb else '{"record": {}}' end
    || wal
    || jsonb_build_object('errors', case when errors = '{}' then null else errors end)
  )::text,
  wal ->> 'type',
  subscription_ids,
  slot_changes_count
from realtime.list_changes(%(publication)s, %(slot)s, %(max_changes)s, %(max_record_bytes)s)
