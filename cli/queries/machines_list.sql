select m.machine_id, m.region, m.roles, m.version, m.status, m.last_heartbeat_at,
       round(extract(epoch from now() - m.last_heartbeat_at))::int as silent_seconds, m.id,
       (select string_agg(s.venue || ' ' || s.market || ' ' || s.held, ', ' order by s.venue, s.market)
        from (select h.venue, h.market, count(*) as held from public.signal_shares h
              where h.machine_id = m.machine_id and h.leased_until >= now() group by h.venue, h.market) s) as shares
from public.cloud_machines m
order by m.last_heartbeat_at desc nulls last, m.machine_id
