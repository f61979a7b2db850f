-- Alerts: one for each thing that is the matter, seen by its owner, raised by machines about themselves alone.
begin;
\ir stage.psql
select plan(35);

-- What the record says of the stage's machines is not what this is about.
update public.cloud_machines set last_heartbeat_at = now(), status = 'running';

create function pg_temp.raised(kind text, key text default '', who text default 'stage-worker',
  role_name text default 'signal_worker') returns text language sql as $$
  select pg_temp.as_role(role_name, who, format('select public.raise_alert(%L, %L, %L)', kind, 'It is ' || kind, key));
$$;
create function pg_temp.open_alerts() returns text language sql as $$
  select string_agg(a.key || ' ' || a.times, ', ' order by a.key) from public.alerts a where a.resolved_at is null;
$$;

-- Raising -------------------------------------------------------------------------------------------------

select pg_temp.raised('machine_error', 'a') as first \gset
select is(pg_temp.raised('machine_error', 'a'), :'first', 'the same again is the same alert');
select isnt(pg_temp.raised('machine_error', 'b'), :'first', 'another key is another one');
select isnt(pg_temp.raised('machine_error', 'a', 'stage-bridge', 'trading_bridge'), :'first', 'and so is another machine');
select is(pg_temp.open_alerts(),
  'machine_error:stage-bridge:a 1, machine_error:stage-worker:a 2, machine_error:stage-worker:b 1', 'each counts for itself');
select is((select severity::text from public.alerts where id = :'first'), 'warning', 'how bad it is goes by the kind');

update public.alerts set last_at = now() - interval '31 minutes' where id = :'first';
select isnt(pg_temp.raised('machine_error', 'a'), :'first', 'after its window the same is a new alert');
select is((select resolved_at < now() from public.alerts where id = :'first'), true, 'and the old one is over');

select is(pg_temp.as_role('trading_bridge', 'stage-bridge', $$select public.resolve_alert('machine_error', 'b')$$), 'false',
  'a machine ends no alert of another one');
select is(pg_temp.as_role('signal_worker', 'stage-worker', $$select public.resolve_alert('machine_error', 'b')$$), 'true', 'but its own');
select is(pg_temp.as_role('signal_worker', 'stage-worker', $$select public.resolve_alert('machine_error', 'b')$$), 'false', 'once');

select alike(pg_temp.raised('unusual_loss'), '42501%the record does', 'a machine does not speak for the record');
select alike(pg_temp.raised('weather'), '22023%no alerts of kind weather', 'nor of what there is no alert for');
select alike(pg_temp.raised('machine_error', 'x', 'stage-unknown'), '42501%not registered', 'nor when nobody knows it');
select alike(pg_temp.raised('machine_error', repeat('x', 300)), '23514%', 'a key has its bound');
select pg_temp.raised('machine_error', 'n' || n) from generate_series(1, 99) n \g /dev/null
select alike(pg_temp.raised('machine_error', 'n101'), '53400%that is enough', 'and so has a machine''s patience with us');
select isnt(pg_temp.raised('machine_error', 'n7'), null, 'what is open already still counts');
select alike(pg_temp.raised('machine_error', 'x', pg_temp.ann()::text, 'authenticated'), '42501%', 'users raise none');
select alike(pg_temp.raised('machine_error', 'x', null, 'anon'), '42501%', 'and nobody anonymous');

-- The record ----------------------------------------------------------------------------------------------

delete from public.alerts;
update public.cloud_machines set last_heartbeat_at = now() - interval '2 minutes' where machine_id = 'stage-analyst';
update public.cloud_machines set details = '{"venues": {"bybit": {"breaker": {"state": "open", "why": "RequestTimeout"},
  "clock": {"sound": true}}, "okx": {"breaker": {"state": "closed"}, "clock": {"sound": true}}}}'
where machine_id = 'stage-bridge';
select private.watch_alerts() \g /dev/null
select private.watch_alerts() \g /dev/null
select is(pg_temp.open_alerts(), 'machine_silent:stage-analyst 1, venue_disconnected:stage-bridge:bybit 1',
  'a silent machine and a venue that does not answer, however often one looks');
select alike((select title from public.alerts where kind = 'machine_silent'), 'machine stage-analyst (analysis, monitoring) has been silent since%', 'in words');
update public.cloud_machines set last_heartbeat_at = now(), details = '{}';
select private.watch_alerts() \g /dev/null
select is((select count(*)::int from public.alerts where resolved_at is null), 2, 'it is over when it was quiet for a while');
update public.alerts set last_at = now() - interval '3 minutes';
select private.watch_alerts() \g /dev/null
select is((select count(*)::int from public.alerts where resolved_at is null), 0, 'and not before');

delete from public.alerts;
update public.cloud_machines set last_heartbeat_at = now() - interval '2 minutes' where machine_id = 'stage-analyst';
update public.cloud_machines set details = jsonb_build_object(
  'venues', jsonb_build_object(repeat('v', 250), jsonb_build_object('breaker', jsonb_build_object('state', repeat('s', 6000)))),
  'desks', jsonb_build_object(repeat('d', 250), jsonb_build_object('do', repeat('o', 9000))))
where machine_id = 'stage-bridge';
select private.watch_alerts() \g /dev/null
select is((select string_agg(kind, ' ' order by kind) from public.alerts), 'account_trouble machine_silent venue_disconnected',
  'whatever a machine says, the others are heard of');
update public.cloud_machines set last_heartbeat_at = now(), details = '{}';
delete from public.alerts;

-- Who sees them -------------------------------------------------------------------------------------------

insert into public.alerts (kind, key, severity, user_id, title) values
  ('unusual_loss', 'unusual_loss:x', 'critical', pg_temp.ann(), 'Ann lost'), ('machine_silent', 'machine_silent:x', 'critical', null, 'A machine');
create function pg_temp.seen(role_name text, who text) returns text language sql as $$
  select pg_temp.as_role(role_name, who, 'select string_agg(title, '','' order by title) from public.alerts where resolved_at is null');
$$;
select is(pg_temp.seen('authenticated', pg_temp.ann()::text), 'Ann lost', 'the owner sees theirs');
select is(pg_temp.seen('authenticated', pg_temp.stranger()::text), null, 'a stranger nothing');
select alike(pg_temp.seen('signal_worker', 'stage-worker'), '42501%', 'a machine reads none');
select alike(pg_temp.seen('anon', null), '42501%', 'nor does anybody anonymous');
select is(pg_temp.seen('service_role', null), 'A machine,Ann lost', 'the operator sees all');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, $$update public.alerts set title = 'x'$$), '42501%',
  'nobody rewrites one');

select id as lost from public.alerts where title = 'Ann lost' \gset
create function pg_temp.acknowledge(role_name text, who text, alert text) returns text language sql as $$
  select pg_temp.as_role(role_name, who, format('select public.acknowledge_alert(%L, %L)', alert, 'on it'));
$$;
select alike(pg_temp.acknowledge('authenticated', pg_temp.stranger()::text, :'lost'), 'P0002%', 'a stranger acknowledges nothing');
select alike(pg_temp.acknowledge('trading_bridge', 'stage-bridge', :'lost'), '42501%', 'nor a machine');
select alike(pg_temp.acknowledge('anon', null, :'lost'), '42501%', 'nor anybody anonymous');
select is(pg_temp.acknowledge('authenticated', pg_temp.ann()::text, :'lost'), 'true', 'its owner does');
select is((select note || ' ' || acknowledged_by from public.alerts where id = :'lost'), 'on it user ' || pg_temp.ann(), 'with a note');
select is(pg_temp.acknowledge('service_role', null, (select id::text from public.alerts where title = 'A machine')), 'true', 'and an operator');

select * from finish();
rollback;
