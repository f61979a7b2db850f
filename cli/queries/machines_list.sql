select m.machine_id, m.region, m.roles, m.version, m.status, m.last_heartbeat_at,
       round(extract(epoch from now() - m.last_heartbeat_at))::int as silent_seconds, m.id
from public.cloud_machines m
order by m.last_heartbeat_at desc nulls last, m.machine_id
