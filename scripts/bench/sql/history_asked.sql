-- Who asks, about what: users by their places in order of size, each with some of their traders, a symbol that each
-- watches, and some recent signals.
select p.place, p.user_id,
  array(select t.id from public.traders t where t.user_id = p.user_id order by t.id limit 8) as traders,
  array(
    select y.symbol from public.traders t
    cross join lateral (select l.first_symbol from bench.lots l where l.trader_id = t.id limit 1) l
    join bench.symbols y on y.place = l.first_symbol
    where t.user_id = p.user_id order by t.id limit 8
  ) as symbols,
  array(
    select s.id from public.signals s
    where s.user_id = p.user_id and s.id >= public.signal_id_floor(now() - interval '24 hours')
    order by s.id desc limit 20
  ) as signals
from bench.people p
where p.place = any (%(places)s)
order by p.place
