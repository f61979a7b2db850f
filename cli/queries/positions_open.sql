select p.opened_at, p.symbol, p.side, trim_scale(p.amount) as amount, trim_scale(p.entry_average) as entry_average,
       trim_scale(p.stop_loss) as stop_loss, trim_scale(p.take_profit) as take_profit, p.status,
       not exists (select from private.unprotected_positions() u where u.position_id = p.id) as protected,
       exists (select from private.positions_left_unprotected() u where u.position_id = p.id) as left_unprotected
from public.positions p
where p.status <> 'closed'
order by p.opened_at, p.id
limit 12
