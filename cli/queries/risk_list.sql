select n.subject, n.name, n.status, trim_scale(l.daily_loss) as daily_loss, trim_scale(r.max_daily_loss) as max_daily_loss,
       trim_scale(l.drawdown) as drawdown, trim_scale(r.max_drawdown) as max_drawdown, r.max_positions,
       trim_scale(r.max_notional) as max_notional, trim_scale(r.max_symbol_notional) as max_symbol_notional,
       r.max_orders_per_minute, r.reduce_at_percent, n.id
from (
  select 'account' as subject, a.id, a.name, a.status::text as status from public.exchange_accounts a
  union all
  select 'trader', t.id, t.name, t.status from public.traders t
  where t.status <> 'deleted'
    and exists (select from public.risk_limits r where r.trader_id = t.id and r.user_id = t.user_id)
) n
left join public.risk_limits r on n.id in (r.account_id, r.trader_id)
cross join lateral private.losses_of(n.id, now()) l
order by n.subject, n.name, n.id
