-- The keys of an account over their life: who changes them, who reads them, and what the trail of the account tells.
begin;
\ir trading_setup.psql
select plan(67);

insert into public.exchange_accounts (id, user_id, name, venue, market, permissions, ciphertext, salt, key_version, key_info)
values ('00000000-0000-4000-8000-0000000000ad', current_setting('test.ann')::uuid, 'Real', 'binanceusdm', 'usdm', 'trade',
  'sealed-one', '0123456789abcdef', 1, '{"ip_restricted": true}');
select set_config('test.real', '00000000-0000-4000-8000-0000000000ad', true) \g /dev/null

-- The newest events of the account, as `type actor`, oldest first.
create function pg_temp.trail(newest integer) returns text language sql as $$
  select string_agg(t.event_type || ' by ' || t.actor, ', ' order by t.id) from (
    select * from public.account_events e where e.account_id = current_setting('test.real')::uuid
    order by e.id desc limit newest) t;
$$;
create function pg_temp.newest(detail text) returns text language sql as $$
  select e.details #>> string_to_array(detail, '.') from public.account_events e
  where e.account_id = current_setting('test.real')::uuid order by e.id desc limit 1;
$$;

-- The trail -----------------------------------------------------------------------------------------------

select is(pg_temp.trail(9), 'account_added by postgres, keys_sealed by postgres', 'an account begins its trail with its keys');
select is(pg_temp.newest('key.ip_restricted'), 'true', 'the trail tells what the venue said of the key');
select is_empty(format($$select from public.account_events where account_id = %L and details::text ~ 'sealed|0123456789abcdef'$$,
  current_setting('test.real')), 'and nothing of the key itself');
select set_config('sigtrail.actor', 'operator mia', true), set_config('sigtrail.reason', 'a test', true) \g /dev/null
update public.exchange_accounts set status = 'reducing' where id = current_setting('test.real')::uuid;
select is(pg_temp.trail(1), 'status_changed by operator mia', 'an operator says who they are');
select is(pg_temp.newest('from') || ' ' || pg_temp.newest('to') || ' ' || pg_temp.newest('reason'),
  'active reducing a test', 'and the trail tells from what to what, and why');
select is(
  pg_temp.as_role('authenticated', current_setting('test.ann'), format(
    $$update public.exchange_accounts set status = 'active' where id = %L returning status$$, current_setting('test.real'))),
  'active', 'an owner changes the status');
select is(pg_temp.trail(1), 'status_changed by user ' || current_setting('test.ann'),
  'which is in the trail under their name, whoever they say they are');
update public.exchange_accounts set leased_until = now(), lease_machine = 'vyx-test' where id = current_setting('test.real')::uuid;
select is(pg_temp.trail(1), 'status_changed by user ' || current_setting('test.ann'), 'a lease is no news');
select is(
  pg_temp.as_role('authenticated', current_setting('test.ann'), format(
    'select count(*) from public.account_events where account_id = %L', current_setting('test.real'))),
  '4', 'an owner reads the trail of the account');
select is(
  pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.account_events'), '0',
  'a stranger reads nothing of it');
select matches(pg_temp.as_role('anon', null, 'select count(*) from public.account_events'), '^42501', 'nor does anonymous');
select matches(pg_temp.as_role(one, 'vyx-test', 'select count(*) from public.account_events'), '^42501', one || ' does not either')
from unnest(array['signal_worker', 'analyst', 'trading_bridge']) one;
select matches(pg_temp.as_role('service_role', null, change), '^42501', 'the service key does not change the trail: ' || change)
from unnest(array['update public.account_events set actor = ''nobody''', 'delete from public.account_events',
  'insert into public.account_events (account_id, user_id, event_type, actor) values (gen_random_uuid(), gen_random_uuid(), ''abc'', ''x'')'])
  change;
select throws_ok('update public.account_events set actor = ''nobody''', '42501', 'account_events is append-only: update is refused',
  'not even the owner of the database changes it');
select throws_ok('delete from public.account_events', '42501', null, 'or deletes from it');
select throws_ok('truncate public.account_events', '42501', null, 'or empties it');
select throws_ok($$select private.note_account(gen_random_uuid(), 'anything')$$, 'P0002', null,
  'there is no trail without an account');

-- The ciphertext ------------------------------------------------------------------------------------------

select matches(pg_temp.as_role(reader.name, reader.who, 'select ' || secret || ' from public.exchange_accounts'), '^42501',
  reader.name || coalesce(' ' || reader.who, '') || ' does not read the ' || secret)
from (values ('authenticated', current_setting('test.ann')), ('authenticated', current_setting('test.stranger')),
    ('anon', null), ('service_role', null), ('signal_worker', 'vyx-test'), ('analyst', 'vyx-test'), ('archivist', 'vyx-test'))
  as reader (name, who), unnest(array['ciphertext', 'salt']) secret;
select is(pg_temp.as_role('trading_bridge', 'vyx-other', 'select count(ciphertext) from public.exchange_accounts'), '0',
  'nor does a bridge that does not hold the account');
select set_eq(
  $$select r.rolname::text from pg_roles r, unnest(array['ciphertext', 'salt']) secret
    where has_column_privilege(r.oid, 'public.exchange_accounts', secret, 'select') and not r.rolsuper
      and not pg_has_role(r.oid, 'pg_read_all_data', 'member')$$,
  $$values ('trading_bridge')$$, 'in the whole catalogue the bridge alone is granted it, the owner aside');

-- Keys ----------------------------------------------------------------------------------------------------

update public.exchange_accounts set lease_fence = 7, leased_until = now() + interval '1 minute'
where id = current_setting('test.real')::uuid;
select is(private.reseal_account_keys(current_setting('test.real')::uuid, 'something else', 'sealed-two', '0123456789abcdef', 2),
  false, 'what was sealed meanwhile is not overwritten');
select is((select ciphertext from public.exchange_accounts where id = current_setting('test.real')::uuid), 'sealed-one'::bytea,
  'and stays as it is');
select is(private.reseal_account_keys(current_setting('test.real')::uuid, 'sealed-one', 'sealed-two', '0123456789abcdef', 2),
  true, 'the same key is sealed again under a newer master key');
select is((select key_version || ' ' || key_number || ' ' || lease_fence from public.exchange_accounts
  where id = current_setting('test.real')::uuid), '2 0 7', 'it is the same key: whoever trades with it goes on');
select is(pg_temp.trail(1), 'keys_resealed by operator mia', 'which is in the trail');
select throws_ok(format($$select private.reseal_account_keys(%L, 'sealed-two', 'sealed-one', '0123456789abcdef', 1)$$,
  current_setting('test.real')), '55000', null, 'never under an older one');
select lives_ok(format($$select private.rotate_account_keys(%L, 'sealed-three', 'fedcba9876543210', 2, 'trade', '{"n": 2}')$$,
  current_setting('test.real')), 'the venue gave another key');
select is((select key_number || ' ' || lease_fence || ' ' || lease_machine from public.exchange_accounts
  where id = current_setting('test.real')::uuid), '1 8 vyx-test', 'who trades the account keeps the lease, and its fence is old');
select is(pg_temp.trail(1) || pg_temp.newest('key.n'), 'keys_rotated by operator mia2', 'which is in the trail');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format(
    $$select public.renew_accounts(jsonb_build_array(jsonb_build_object('account_id', %1$L, 'fence', 7))) ->> 'lost'$$,
    current_setting('test.real'))),
  format('["%s"]', current_setting('test.real')), 'its machine hears that it lost the account');
select ok(
  (pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select public.renew_accounts('[]') ->> 'free'$$))::jsonb ? current_setting('test.real'),
  'and that it may take it again');
select ok(
  not (pg_temp.as_role('trading_bridge', 'vyx-other', $$select public.renew_accounts('[]') ->> 'free'$$))::jsonb
    ? current_setting('test.real'),
  'which no other machine may before the lease is over');
select lives_ok(format($$select private.note_verified_keys(%L, '{"n": 3}', true)$$, current_setting('test.real')),
  'the venue was asked for the rights of the key');
select is(pg_temp.trail(1) || pg_temp.newest('key.n'), 'keys_verified by operator mia3', 'which is in the trail');
select lives_ok(format($$select private.note_verified_keys(%L, '{"n": 4}', false)$$, current_setting('test.real')),
  'the venue took the right to trade away');
select is((select permissions from public.exchange_accounts where id = current_setting('test.real')::uuid), 'read',
  'and nobody trades the account any more');
-- The venue says that the key may withdraw.
select is((select status from public.exchange_accounts where id = current_setting('test.real')::uuid), 'active',
  'the account trades');
select is((select private.note_verified_keys(current_setting('test.real')::uuid, '{"may_withdraw": true}', true)),
  'reducing', 'a key that may withdraw opens nothing new');
select is(
  (select details ->> 'reason' from public.account_events where account_id = current_setting('test.real')::uuid
     and event_type = 'status_changed' order by id desc limit 1),
  'the venue says that its key may withdraw', 'the trail says why');
select throws_ok(format($$select private.set_account_status(%L, 'active', 'I want it', 'mia')$$,
    current_setting('test.real')), '23514', null, 'no person lets it trade as long as the key may');
select is((select private.note_verified_keys(current_setting('test.real')::uuid, '{"may_withdraw": false}', true)),
  'reducing', 'a key without that right is no reason to trade by itself');
select is((select private.set_account_status(current_setting('test.real')::uuid, 'active', 'the right is gone', 'mia')),
  'active', 'a person lets it trade then');
select throws_ok(format($$select private.rotate_account_keys(%L, 'a', '0123456789abcdef', 1, 'trade', '{}')$$,
  current_setting('test.account')), '55000', null, 'a paper account has no keys');

-- The end -------------------------------------------------------------------------------------------------

insert into public.orders (id, user_id, account_id, trader_id, signal_id, client_order_id, leg, attempt, status, symbol,
  normalised_symbol, side, kind, amount, lot, stop_loss, intended_at, status_at)
select gen_random_uuid(), current_setting('test.ann')::uuid, current_setting('test.real')::uuid,
  current_setting('test.trader')::uuid, s, private.client_order_id(s, 'entry', 1), 'entry', 1, 'intended', 'BTCUSDT',
  'BTC/USDT:USDT', 'buy', 'market', 1, 0.001, 90, now(), now()
from pg_temp.make_ready() s;
select throws_ok(format('select private.revoke_account_keys(%L)', current_setting('test.real')), '55000', null,
  'keys are not thrown away while orders or positions need them');
select lives_ok(format('select private.revoke_account_keys(%L, true)', current_setting('test.real')),
  'unless they are to be left to the venue');
select is((select num_nulls(ciphertext, salt, key_version) || ' ' || permissions || ' ' || status || ' ' || lease_fence
  from public.exchange_accounts where id = current_setting('test.real')::uuid), '3 read halted 9',
  'the ciphertext is gone, and nobody trades the account');
select is(pg_temp.trail(2), 'keys_revoked by operator mia, status_changed by operator mia', 'which is in the trail');
select matches(pg_temp.as_role(one, who, format(call, current_setting('test.real'))), '^42501', one || ' may not: ' || call)
from (values ('authenticated', current_setting('test.ann'), 'select private.revoke_account_keys(%L)'),
  ('service_role', null, 'select private.rotate_account_keys(%L, ''a'', ''b'', 1, ''trade'', ''{}'')'),
  ('trading_bridge', 'vyx-test', 'select private.reseal_account_keys(%L, ''a'', ''b'', ''c'', 1)'))
  as wrong (one, who, call);

select * from finish();
rollback;
