-- The newest private broadcasts of a topic, oldest first.
select id::text, event, payload::text, binary_payload
from (
  select id, event, payload, binary_payload, inserted_at
  from realtime.messages
  where topic = %(topic)s
    and private is true
    and extension = 'broadcast'
    and event is not null
    and inserted_at >= timezone('utc', to_timestamp(%(since)s))
    and inserted_at < timezone('utc', now()) + interval '1 minute'
  order by inserted_at desc
  limit %(count)s
) as newest
order by inserted_at
