select t.id, t.name, u.email, t.status, t.market, t.interval, t.symbols, t.conditions, t.side,
       t.total_signals_generated, t.total_trades_executed, t.winning_trades, t.total_pnl, t.created_at
from public.traders t
join public.users u on u.id = t.user_id
where t.status <> 'deleted'
  and (%(user)s::text is null or u.email = %(user)s or u.id::text = %(user)s)
order by u.email, t.name
