-- Who oversees the platform in a browser sees what belongs to nobody, and nothing of anybody; everybody sees whether the
-- platform works, and the machines that serve them.
begin;
\ir stage.psql
select plan(44);

-- Pia oversees the platform.
update auth.users set raw_app_meta_data = '{"role": "operator"}' where id = pg_temp.pia();
create function pg_temp.as_person(who uuid, claimed text, statement text) returns text language plpgsql as $$
declare
  answer text;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('role', 'authenticated', 'sub', who,
    'app_metadata', jsonb_build_object('role', claimed))::text, true);
  perform set_config('role', 'authenticated', true);
  begin
    execute statement into answer;
  exception when others then
    answer := sqlstate || ' ' || sqlerrm;
  end;
  perform set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
  return answer;
end;
$$;
create function pg_temp.overseer(statement text) returns text language sql as $$
  select pg_temp.as_person(pg_temp.pia(), 'operator', statement);
$$;

select pg_temp.make_signal() as signal \gset
insert into public.audit_seals (number, kind, epoch, partition_day, from_tx, to_tx, event_count, content_hash, sealed_at,
  key_id, signature)
values (1, 'events', private.system_identifier(), private.utc_day(now()) - 400, 0, 10, 1, sha256(''), now(), 'k', sha512(''));
insert into public.signal_shares (venue, market, share) values ('binance', 'usdm', 0);
insert into public.exchange_accounts (user_id, name, venue, market, permissions, lease_machine, leased_until)
values (pg_temp.ann(), 'Paper', 'paper', 'usdm', 'trade', 'stage-bridge', now() + interval '1 minute');
insert into public.alerts (kind, key, severity, user_id, title) values
  ('machine_silent', 'platform', 'critical', null, 'a machine is silent'),
  ('unusual_loss', 'ann', 'critical', pg_temp.ann(), 'Ann lost more than planned');
select id as platform_alert from public.alerts where key = 'platform' \gset
select id as ann_alert from public.alerts where key = 'ann' \gset

-- What belongs to nobody ------------------------------------------------------------------------------------

select is(pg_temp.overseer('select count(*) from public.' || t.name), t.count, 'who oversees the platform reads ' || t.name)
from (values ('cloud_machines', '4'), ('signal_shares', '1'), ('signal_share_machines', '0'), ('audit_seals', '1'),
  ('alerts', '1')) t (name, count);
select is(pg_temp.as_person(pg_temp.ann(), p.claimed, 'select count(*) from public.' || t.name), '0', p.what || ': no ' || t.name)
from (values (null, 'a user'), ('operator', 'a claim that the record does not know'), ('admin', 'another role')) p (claimed, what),
  (values ('cloud_machines'), ('signal_shares'), ('audit_seals')) t (name);
select is(pg_temp.as_person(pg_temp.pia(), null, 'select count(*) from public.cloud_machines'), '0',
  'a token of before the right does not have it');
select is(pg_temp.as_person(pg_temp.ann(), null, 'select title from public.alerts'), 'Ann lost more than planned',
  'a user reads the alerts that are theirs');
select alike(pg_temp.as_role(r.role_name, r.who, 'select count(*) from public.' || t.name), '42501%', r.role_name || ': ' || t.name)
from (values ('anon', null), ('analyst', 'stage-analyst')) r (role_name, who),
  (values ('signal_shares'), ('audit_seals'), ('alerts')) t (name);

-- Nothing of anybody ----------------------------------------------------------------------------------------

select is(pg_temp.overseer('select count(*) from public.' || t.name || t.bound), '0', 'nobody else''s ' || t.name)
from (values ('signals', ''), ('signal_events', ''), ('exchange_accounts', ''), ('account_events', ''),
  ('traders', ' where user_id <> auth.uid()'), ('users', ' where id <> auth.uid()')) t (name, bound);
select is(pg_temp.overseer('select private.is_operator()'), 'false', 'and it is no operator of the secret key');
select alike(pg_temp.overseer(s.statement), '42501%', s.statement)
from (values ('update public.cloud_machines set status = ''stopped'''), ('delete from public.cloud_machines'),
  ('update public.signal_shares set machine_id = null'), ('delete from public.audit_seals'),
  ('update public.alerts set resolved_at = now()')) s (statement);

-- Alerts ----------------------------------------------------------------------------------------------------

select is(pg_temp.overseer(format('select public.acknowledge_alert(%L, ''on it'', ''Somebody Else'')', :'platform_alert')), 'true',
  'an alert of the platform is acknowledged');
select is((select acknowledged_by from public.alerts where id = :'platform_alert'), 'user ' || pg_temp.pia(),
  'by whom the token names, whatever they call themselves');
select alike(pg_temp.overseer(format('select public.acknowledge_alert(%L)', :'ann_alert')), 'P0002%', 'a user''s alert is the user''s');
select alike(pg_temp.as_person(pg_temp.ann(), 'operator', format('select public.acknowledge_alert(%L)', :'platform_alert')), 'P0002%',
  'a user acknowledges none of the platform');

-- What everybody sees ---------------------------------------------------------------------------------------

update public.cloud_machines set status = 'running',
  last_heartbeat_at = now() - case machine_id when 'stage-analyst' then interval '5 minutes' else interval '0' end,
  details = '{"errors": 3, "spool": {"pending": 7, "bytes": 900}}';
select is(pg_temp.as_person(pg_temp.stranger(), null,
    'select string_agg(role || '' '' || alive || ''/'' || machines, '', '') from public.platform_pulse()'),
  'signals 1/1, analysis 1/2, monitoring 1/2, trading 1/1, archive 0/0', 'everybody sees whether each role is alive');
select is(pg_temp.as_person(pg_temp.ann(), null,
    'select string_agg(machine_id || '' '' || alive || '' '' || spool_pending || '' '' || made || '' '' || accounts, '', '' order by machine_id)
      from public.machine_health()'),
  'stage-bridge true 7 0 1, stage-worker true 7 1 0', 'and how the machines are that serve them');
select is(pg_temp.as_person(pg_temp.stranger(), null, 'select count(*) from public.machine_health()'), '0', 'no others');
select is(pg_temp.overseer('select count(*) from public.machine_health()'), '4', 'who oversees them sees all');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.platform_pulse()'), '42501%', 'anonymous sees nothing');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.machine_health()'), '42501%', 'anonymous sees nothing');

select * from finish();
rollback;
