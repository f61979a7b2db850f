-- Alerts that the record raises about trading: refused orders, orders in doubt, missing stops, losses; each for its owner.
begin;
\ir trading_setup.psql
select plan(12);
update public.cloud_machines set last_heartbeat_at = now(), status = 'running', details = '{}';

create function pg_temp.open_alerts() returns text language sql as $$
  select private.watch_alerts();
  select string_agg(a.kind || ' ' || a.title, ', ' order by a.kind, a.title) from public.alerts a
  where a.resolved_at is null and a.user_id = current_setting('test.ann')::uuid;
$$;

select is(pg_temp.open_alerts(), null, 'where nothing happened nothing is raised');

select pg_temp.make_ready('BTCUSDT') as s1 \gset
select pg_temp.make_ready('ETHUSDT', '2 minutes') as s2 \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s1'), pg_temp.entry(:'s2'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s1', 'entry', 'rejected', '{"code": "insufficient_funds", "message": "no"}'))) \g /dev/null
select is(pg_temp.open_alerts(), 'order_failed the venue refused 1 orders of an account in ten minutes, the last for insufficient_funds',
  'what a venue refused is told');
select is(pg_temp.open_alerts(), 'order_failed the venue refused 1 orders of an account in ten minutes, the last for insufficient_funds',
  'once');
select is((select times from public.alerts where kind = 'order_failed'), 1, 'however often one looks');

select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s2', 'entry', 'unresolved'))) \g /dev/null
select unalike(pg_temp.open_alerts(), '%order_unresolved%', 'an order in doubt has a minute');
set local session_replication_role = replica;
update public.orders set updated_at = now() - interval '2 minutes' where signal_id = :'s2';
set local session_replication_role = origin;
select alike(pg_temp.open_alerts(), '%order_unresolved nobody knows what became of 1 orders%', 'then somebody is told');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s2', 'entry', 'confirmed'))) \g /dev/null
update public.alerts set last_at = now() - interval '3 minutes' where kind = 'order_unresolved';
select unalike(pg_temp.open_alerts(), '%order_unresolved%', 'until it is known');

-- An entry of ten at 100 with its stop at 98 may cost 20, and fees.
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s2', 'entry', '1', '100', '10'))) \g /dev/null
select unalike(pg_temp.open_alerts(), '%position_unprotected%', 'a position that was just opened is being protected');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'s2', 'stop_loss'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s2', 'stop_loss', 'confirmed'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s2', 'stop_loss', '2', '95', '10'))) \g /dev/null
select alike(pg_temp.open_alerts(), '%unusual_loss a position in ETH/USDT:USDT lost 51%planned were 20 at most%',
  'a loss beyond what was planned is told');
select is((select count(*)::int from public.alerts a where a.user_id is distinct from current_setting('test.ann')::uuid), 0,
  'all of it to the owner');

insert into public.risk_limits (user_id, account_id, max_daily_loss)
values (current_setting('test.ann')::uuid, current_setting('test.account')::uuid, 60);
select alike(pg_temp.open_alerts(), '%unusual_loss an account lost 51%near its limits%', 'and so are losses near a limit');
delete from public.alerts;
update public.positions set closed_at = now() - interval '1 hour';
delete from public.risk_limits;
select unalike(coalesce(pg_temp.open_alerts(), ''), '%unusual_loss%', 'what was lost long ago is no news');

select * from finish();
rollback;
