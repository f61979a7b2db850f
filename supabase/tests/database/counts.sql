-- The rollup of counts agrees with the signals at every moment, and users read their own.
begin;
\ir stage.psql
select plan(7);

create function pg_temp.disagreements() returns bigint language sql as $$
  select count(*) from (
    select user_id, date_trunc('hour', triggered_at, 'UTC') as hour, status, count(*) as n from public.signals
    where user_id in (pg_temp.ann(), pg_temp.eli()) group by 1, 2, 3
  ) s full join (
    select user_id, hour, status, sum(count) as n from public.signal_counts
    where user_id in (pg_temp.ann(), pg_temp.eli()) group by 1, 2, 3 having sum(count) <> 0
  ) c using (user_id, hour, status) where s.n is distinct from c.n;
$$;
select pg_temp.make_ready(), pg_temp.make_ready(pg_temp.eli_trader(), 'AUSDT', '3 hours'), pg_temp.make_signal() \g /dev/null
select is(pg_temp.disagreements(), 0::bigint, 'after the ways to ready');
insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price)
select public.signal_id(pg_temp.eli_trader(), 'P' || i, '1m', date_trunc('second', now()) - i * interval '40 seconds'), pg_temp.eli_trader(),
  'P' || i, '1m', 'long', date_trunc('second', now()) - i * interval '40 seconds', 1 from generate_series(1, 300) i;
select is(pg_temp.disagreements(), 0::bigint, 'after 300 at once over hours');
update public.signals set status = 'expired', outcome_code = 'signal_stale' where trader_id = pg_temp.eli_trader() and status = 'new';
select is(pg_temp.disagreements(), 0::bigint, 'after all of them ended');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select jsonb_object_agg(status, count) from public.signal_counts_by_status(now() - interval ''1 day'', now() + interval ''1 hour'')')::jsonb,
  '{"ready": 1, "expired": 300}', 'a user asks for theirs');
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text,
  'select string_agg(concat(hour, count), '' '' order by hour) from public.signal_counts_by_hour(''{expired}'')'),
  (select string_agg(concat(h.hour, h.count), ' ' order by h.hour) from (
    select date_trunc('hour', s.triggered_at, 'UTC') as hour, count(*) from public.signals s
    where s.user_id = pg_temp.eli() and s.status = 'expired' group by 1) h), 'and by the hour, for statuses too');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.signal_counts_by_hour()'), '0',
  'of which a stranger has none either');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.signal_counts'), '0', 'a stranger has none');

select * from finish();
rollback;
