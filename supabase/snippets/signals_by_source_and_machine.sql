-- Signals by source and machine: who fires how much, and what comes of it. All days that are in the database.
select s.source, coalesce(m.machine_id, '(browser or operator)') as machine, m.region,
  count(*) as signals, count(distinct s.trader_id) as traders, count(distinct s.symbol) as symbols,
  count(*) filter (where s.position_opened_at is not null) as traded,
  round(100.0 * count(*) filter (where s.position_opened_at is not null) / count(*), 2) as traded_percent,
  trim_scale(coalesce(sum(s.total_pnl) filter (where s.status = 'closed'), 0)) as realized_pnl,
  max(s.triggered_at) as last_signal_at
from public.signals s
left join public.cloud_machines m on m.id = s.machine_id
group by s.source, m.machine_id, m.region
order by signals desc;
