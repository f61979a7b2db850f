select o.id, o.intended_at, o.symbol, t.name as trader, o.leg, o.attempt, o.side, o.kind, trim_scale(o.amount) as amount,
       trim_scale(o.price) as price, trim_scale(o.trigger_price) as trigger_price, o.status,
       trim_scale(o.filled) as filled, trim_scale(o.average) as average, trim_scale(o.fees) as fees, o.code, o.message,
       o.client_order_id, o.venue_order_id, o.signal_id, o.closed_at
from public.orders o
left join public.traders t on t.id = o.trader_id
where (%(status)s::public.order_status is null or o.status = %(status)s)
  and (%(trader)s::text is null or t.name = %(trader)s or t.id::text = %(trader)s)
  and (%(symbol)s::text is null or o.symbol = %(symbol)s)
  and (%(since)s::timestamptz is null or o.intended_at >= %(since)s)
order by o.intended_at desc, o.client_order_id
limit %(limit)s
