select
  (select count(*) from public.signals) as signals,
  (select count(*) from public.signal_events where number = 1) as creations
