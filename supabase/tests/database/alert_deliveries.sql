-- Delivering alerts: each piece of news goes to each channel at least once, taken by one machine at a time, and is given
-- up with its reason after ten tries.
begin;
\ir stage.psql
select plan(28);
update public.cloud_machines set last_heartbeat_at = now(), status = 'running';

-- What a machine is given: "news channel attempt" of each, in order of the alert's key.
create function pg_temp.claimed(channels text, who text default 'stage-worker', role_name text default 'signal_worker')
returns text language sql as $$
  select pg_temp.as_role(role_name, who, format('select string_agg(concat_ws('' '', alert ->> ''kind'', news, channel, attempt), '', ''
    order by alert ->> ''kind'', news, channel) from public.claim_alerts(%L)', channels));
$$;
create function pg_temp.told(alert uuid, news text, ok boolean, attempt integer, more jsonb default '{}',
  channel text default 'webhook', who text default 'stage-worker') returns text language sql as $$
  select pg_temp.as_role('signal_worker', who, format('select public.record_deliveries(%L)', jsonb_build_array(
    jsonb_build_object('alert_id', alert, 'news', news, 'channel', channel, 'ok', ok, 'attempt', attempt) || more)));
$$;
create function pg_temp.due() returns void language sql as $$
  update private.alert_deliveries set available_at = now() - interval '1 second', leased_until = null;
$$;

insert into public.alerts (kind, key, severity, title) values ('machine_silent', 'a', 'critical', 'A') returning id as silent \gset
insert into public.alerts (kind, key, severity, title, raised_at) values ('unusual_loss', 'b', 'critical', 'B', now() - interval '2 days');

select is(pg_temp.claimed('{}'), null, 'without a channel nothing is taken');
select is(pg_temp.claimed('{webhook,email}'), 'machine_silent raised email 1, machine_silent raised webhook 1',
  'news of the last day go to each channel');
select is(pg_temp.claimed('{webhook,email}', 'stage-bridge', 'trading_bridge'), null, 'and to one machine');
select is(pg_temp.told(:'silent', 'raised', true, 1, '{}', 'email'), '1', 'what was sent is noted');
select is(pg_temp.told(:'silent', 'raised', true, 1, '{}', 'email'), '0', 'once');
select is(pg_temp.told(:'silent', 'raised', false, 1, '{"error": "it answered 500"}'), '1', 'and so is what was not');
select is(pg_temp.claimed('{webhook,email}'), null, 'which waits a while');
select is((select available_at between now() + interval '2 seconds' and now() + interval '20 seconds' from private.alert_deliveries
  where channel = 'webhook'), true, 'of seconds at first');
select pg_temp.due() \g /dev/null
select is(pg_temp.claimed('{webhook}'), 'machine_silent raised webhook 2', 'before it is tried again');
select is(pg_temp.told(:'silent', 'raised', false, 1, '{"error": "late"}'), '0', 'what a lost lease failed says nothing');
select is(pg_temp.told(:'silent', 'raised', false, 2, '{"error": "429", "retry_after": 1800}'), '1', 'a receiver may ask for patience');
select is((select available_at > now() + interval '25 minutes' from private.alert_deliveries where channel = 'webhook'), true, 'and gets it');

-- A machine that dies holding it.
select pg_temp.due() \g /dev/null
select is(pg_temp.claimed('{webhook}'), 'machine_silent raised webhook 3', 'a machine takes it and dies');
update private.alert_deliveries set leased_until = now() - interval '1 second' where channel = 'webhook';
select is(pg_temp.claimed('{webhook}', 'stage-bridge', 'trading_bridge'), 'machine_silent raised webhook 4', 'another one goes on');
select is(pg_temp.told(:'silent', 'raised', true, 3), '1', 'that it had arrived after all is believed');
select pg_temp.due() \g /dev/null
select is(pg_temp.claimed('{webhook}'), null, 'and nothing is sent twice then');

-- The end of an alert, and of patience.
update public.alerts set resolved_at = now() where id = :'silent';
insert into public.alerts (kind, key, severity, title, resolved_at) values ('unusual_loss', 'c', 'critical', 'C', now());
select is(pg_temp.claimed('{webhook}'), 'machine_silent resolved webhook 1, unusual_loss raised webhook 1',
  'that it is over is told, but for what cannot be undone');
insert into public.alerts (kind, key, severity, title, resolved_at) values ('machine_silent', 'd', 'critical', 'D', now());
select is(pg_temp.claimed('{telegram}'), 'machine_silent raised telegram 1, machine_silent raised telegram 1, unusual_loss raised telegram 1',
  'that it began comes first on every channel');
update private.alert_deliveries set attempts = 10, leased_until = null, available_at = now() - interval '1 second', error = 'it answered 500'
where channel = 'webhook' and sent_at is null;
select is(pg_temp.claimed('{webhook}'), 'machine_silent raised webhook 1', 'after ten tries it is given up');
select is((select string_agg(distinct error, ',') from private.alert_deliveries where dead_at is not null), 'it answered 500', 'with its reason');
select alike(pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb #>> '{checks}',
  '%alerts do not reach anybody%', 'which the doctor tells');

-- A channel that was taken away.
create function pg_temp.late() returns text language sql as $$
  select c #>> '{found,late}' from jsonb_array_elements(
    pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'checks') c where c ->> 'name' = 'alerts';
$$;
delete from private.alert_deliveries;
insert into public.alerts (kind, key, severity, title) values ('machine_silent', 'e', 'critical', 'E');
select pg_temp.claimed('{webhook,telegram}') \g /dev/null
update private.alert_deliveries set created_at = now() - interval '20 minutes', sent_at = case channel when 'webhook' then now() end;
select is(pg_temp.late(), (select count(*)::text from private.alert_deliveries where channel = 'telegram'),
  'what a channel owes is late');
update private.alert_channels set claimed_at = now() - interval '2 hours' where channel = 'telegram';
select is(pg_temp.late(), '0', 'until nobody has it any more');
update private.alert_channels set claimed_at = now() - interval '2 hours';
select isnt(pg_temp.late(), '0', 'but for the last one: then alerts reach nobody');

select alike(pg_temp.claimed('{webhook}', pg_temp.ann()::text, 'authenticated'), '42501%', 'users deliver nothing');
select alike(pg_temp.claimed('{webhook}', null, 'anon'), '42501%', 'nor does anybody anonymous');
select alike(pg_temp.claimed('{webhook}', 'stage-unknown'), '42501%not registered', 'nor a machine that nobody knows');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, $$select public.record_deliveries('[]')$$), '42501%', 'or tells of it');

select * from finish();
rollback;
