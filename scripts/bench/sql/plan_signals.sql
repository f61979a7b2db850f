with planned as (select * from unnest(%(ids)s, %(plans)s::jsonb[]) p (id, plan))
update public.signals s set analysis_trade_plan = p.plan from planned p where s.id = p.id
