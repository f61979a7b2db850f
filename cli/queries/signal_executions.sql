select e.executed_at, e.leg, e.side, trim_scale(e.price) as price, trim_scale(e.amount) as amount,
       trim_scale(e.fee_cost) as fee, e.fee_currency, e.is_maker, e.venue_trade_id, e.order_id
from public.trade_executions e where e.signal_id = %(id)s order by e.executed_at, e.venue_trade_id
