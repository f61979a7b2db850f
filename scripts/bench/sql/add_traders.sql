-- Uneven, as people are: the first user owns far more traders than the last.
with people as (
  select id, row_number() over (order by length(email), email) - 1 as place from public.users
  where email like 'bench-%%@sigtrail.local'
)
insert into public.traders (user_id, name, market, symbols, "interval", conditions, ai_analysis_limit)
select p.id, 'Trader ' || n, 'usdm', array['BTCUSDT'], '1m', array['RSI(14) < 30'], null
from generate_series(0, %(traders)s - 1) n
join people p on p.place = floor((select count(*) from people) * power((n + 0.5) / %(traders)s, 2))
returning id, user_id
