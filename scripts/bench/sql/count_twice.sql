-- What is there twice: a firing under two ids, and a signal whose making was told twice or never.
select
  (
    select count(*) - count(distinct (s.trader_id, s.symbol, s."interval", s.triggered_at)) from public.signals s
  ) as firings,
  (
    select count(*) from public.signals s
    where (select count(*) from public.signal_events e where e.signal_id = s.id and e.number = 1) <> 1
  ) as creations
