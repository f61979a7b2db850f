select o.intended_at, o.leg, o.attempt, o.side, o.kind, trim_scale(o.amount) as amount, trim_scale(o.price) as price,
       trim_scale(o.trigger_price) as trigger_price, o.status, trim_scale(o.filled) as filled,
       trim_scale(o.average) as average, trim_scale(o.fees) as fees, o.code, o.message, o.client_order_id,
       o.venue_order_id, o.id
from public.orders o where o.signal_id = %(id)s order by o.intended_at, o.leg, o.attempt
