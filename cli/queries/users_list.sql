select u.id, u.email, u.tier, u.created_at,
       (select count(*) from public.traders t where t.user_id = u.id and t.status <> 'deleted') as traders,
       coalesce((select sum(d.signals) from public.usage_daily d
                 where d.user_id = u.id and d.day = (now() at time zone 'utc')::date), 0)::bigint as signals_today
from public.users u
order by u.email
