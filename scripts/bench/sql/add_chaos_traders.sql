-- Half of the traders fire at every candle that rises, the others at every one that falls. They are as old as the
-- candles, which are played faster than time goes.
with people as (
  select id, row_number() over (order by length(email), email) - 1 as place from public.users
  where email like 'bench-%%@sigtrail.local'
)
insert into public.traders (
  user_id, name, market, symbols, "interval", conditions, ai_analysis_limit, created_at, updated_at
)
select
  p.id, 'Trader ' || n, 'usdm', %(symbols)s, '1m',
  array[case when n %% 2 = 0 then 'close > open' else 'close < open' end], null, now() - interval '4 days',
  now() - interval '4 days'
from generate_series(0, %(traders)s - 1) n
join people p on p.place = (n / 2) %% (select count(*) from people)
returning id, user_id, conditions[1] = 'close > open'
