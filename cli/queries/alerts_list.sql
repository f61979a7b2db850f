select a.severity::text as severity, a.kind, a.title, a.times, a.raised_at, a.last_at, a.resolved_at, a.acknowledged_by, a.note,
       (select string_agg(d.channel || case
          when d.sent_at is not null then ' sent'
          when d.dead_at is not null then ' given up: ' || d.error
          when d.error is not null then ' tried ' || d.attempts || ' times: ' || d.error
          else ' waits' end, '; ' order by d.channel)
        from private.alert_deliveries d where d.alert_id = a.id and d.news = 'raised') as delivered,
       a.id
from public.alerts a
where %(all)s or a.resolved_at is null
order by a.raised_at desc
limit %(limit)s
