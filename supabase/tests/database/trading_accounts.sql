-- Exchange accounts: owners see and change theirs, nobody but the bridge reads ciphertext, one machine trades one.
begin;
\ir trading_setup.psql
select plan(39);

-- People --------------------------------------------------------------------------------------------------

select is(
  pg_temp.as_role('authenticated', current_setting('test.ann'), 'select count(*) from public.exchange_accounts'), '1',
  'an owner sees the account');
select is(
  pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.exchange_accounts'),
  '0', 'a stranger does not');
select matches(
  pg_temp.as_role('anon', null, 'select count(id) from public.exchange_accounts'), '^42501', 'nobody anonymous does');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'), 'select ciphertext from public.exchange_accounts'),
  '^42501', 'not even its owner reads the ciphertext');
select matches(
  pg_temp.as_role('service_role', null, 'select salt from public.exchange_accounts'), '^42501',
  'nor does the service key');
select matches(
  pg_temp.as_role('signal_worker', 'vyx-test', 'select id from public.exchange_accounts'), '^42501',
  'a signal worker sees no account at all');
select matches(
  pg_temp.as_role('analyst', 'vyx-test', 'select id from public.exchange_accounts'), '^42501', 'nor does an analyst');
select is(
  pg_temp.as_role('authenticated', current_setting('test.ann'),
    $$insert into public.exchange_accounts (name, venue, market) values ('Second', 'paper', 'spot')
      returning permissions || ' ' || status$$),
  'read active', 'a user opens an account, which may only be read at first');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.stranger'), format(
    $$insert into public.exchange_accounts (user_id, name, venue, market) values (%L, 'Hers', 'paper', 'usdm')$$,
    current_setting('test.ann'))),
  '^42501', 'but none for somebody else');
select is(
  pg_temp.as_role('authenticated', current_setting('test.ann'), format(
    $$update public.exchange_accounts set status = 'halted' where id = %L returning status$$,
    current_setting('test.account'))),
  'halted', 'an owner halts the account');
select is(
  pg_temp.as_role('authenticated', current_setting('test.stranger'), format(
    $$update public.exchange_accounts set status = 'active' where id = %L returning status$$,
    current_setting('test.account'))),
  null, 'a stranger changes nothing');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'),
    $$update public.exchange_accounts set lease_machine = 'x', leased_until = now()$$),
  '^42501', 'an owner does not write leases');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'),
    $$update public.exchange_accounts set ciphertext = 'x', salt = 'y', key_version = 1$$),
  '^42501', 'nor keys');

-- Keys ----------------------------------------------------------------------------------------------------

insert into public.exchange_accounts (id, user_id, name, venue, market, permissions)
values ('00000000-0000-4000-8000-0000000000ac', current_setting('test.ann')::uuid, 'Real', 'binanceusdm', 'usdm', 'trade');
select matches(
  pg_temp.as_role('authenticated', current_setting('test.ann'),
    $$select public.seal_account('00000000-0000-4000-8000-0000000000ac', 'YQ==', 'Yg==', 1)$$),
  '^42501', 'a user cannot store keys past the bridge');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select public.seal_account('00000000-0000-4000-8000-0000000000ac', 'Y2lwaGVy', 'c2FsdA==', 1)$$),
  '', 'the bridge stores what it sealed');
select is(
  (select encode(ciphertext, 'escape') || ' ' || encode(salt, 'escape') || ' ' || key_version
   from public.exchange_accounts where id = '00000000-0000-4000-8000-0000000000ac'),
  'cipher salt 1', 'as it is');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select count(*) from public.exchange_accounts where id = '00000000-0000-4000-8000-0000000000ac'$$),
  '0', 'a bridge that does not hold an account does not read it');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select public.claim_accounts(accounts => '{00000000-0000-4000-8000-0000000000ac}') -> 0 ->> 'ciphertext'$$),
  'Y2lwaGVy', 'one that claims it is handed the ciphertext');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select encode(ciphertext, 'base64') from public.exchange_accounts where id = '00000000-0000-4000-8000-0000000000ac'$$),
  'Y2lwaGVy', 'and reads it as long as it holds it');
select matches(
  pg_temp.as_role('trading_bridge', 'vyx-other',
    $$select public.seal_account('00000000-0000-4000-8000-0000000000ac', 'YQ==', 'Yg==', 2)$$),
  '^42501 machine vyx-other does not hold account', 'another machine does not replace keys that are there');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test',
    $$select public.seal_account('00000000-0000-4000-8000-0000000000ac', 'Y2lwaGVy', 'c2FsdA==', 2)$$),
  '', 'the machine that holds the account does');
select throws_ok(
  $$update public.exchange_accounts set salt = null where id = '00000000-0000-4000-8000-0000000000ac'$$, '23514', null,
  'keys are sealed whole or not at all');

-- Settings ------------------------------------------------------------------------------------------------

select throws_ok(format($$update public.exchange_accounts set settings = %L where id = %L$$, wrong.settings,
    current_setting('test.account')), '23514', null, 'settings are refused: ' || wrong.settings)
from (values ('{"leverage": "NaN"}'), ('{"leverage": null}'), ('{"nonsense": 1}'), ('{"attached": "yes"}'))
  as wrong (settings);
select lives_ok(format($$update public.exchange_accounts set settings =
    '{"leverage": "5", "max_drift_percent": 0.5, "attached": false, "starting": {"USDT": "100"}}' where id = %L$$,
    current_setting('test.account')), 'sound settings are kept');

-- Leases --------------------------------------------------------------------------------------------------

select is(
  pg_temp.as_role('trading_bridge', 'vyx-other', format(
    'select jsonb_array_length(public.claim_accounts(accounts => array[%L]::uuid[]))', current_setting('test.account'))),
  '0', 'an account that another machine holds cannot be had');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format(
    'select (public.claim_accounts(accounts => array[%L]::uuid[]) -> 0 ->> ''fence'')::bigint - %s',
    current_setting('test.account'), current_setting('test.fence'))),
  '1', 'its own machine gets it again after a restart, with a new fence');
select matches(
  pg_temp.as_role('trading_bridge', 'vyx-test', format(
    $$select public.renew_accounts('[{"account_id": "%s", "fence": 1}]', 2000000000)$$,
    current_setting('test.account'))),
  '^22023 an account is leased for 1 to 3600 seconds', 'nobody leases an account for good');
select matches(
  pg_temp.as_role('trading_bridge', 'vyx-test', format('select public.record_trading(%L, %s, ''{}'')',
    current_setting('test.account'), current_setting('test.fence'))),
  '^55000 machine vyx-test does not hold account', 'who carries the old fence is refused');
select matches(
  pg_temp.as_role('trading_bridge', 'vyx-other', format('select public.list_trading(%L, %s)',
    current_setting('test.account'), current_setting('test.fence')::int + 1)),
  '^55000', 'another machine is refused whatever fence it names');
update public.exchange_accounts set leased_until = clock_timestamp() - interval '1 second'
where id = current_setting('test.account')::uuid;
select is(
  pg_temp.as_role('trading_bridge', 'vyx-other', format(
    'select jsonb_array_length(public.claim_accounts(accounts => array[%L]::uuid[]))', current_setting('test.account'))),
  '1', 'a lease that ran out can be taken over');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format(
    $$select public.renew_accounts(jsonb_build_array(jsonb_build_object('account_id', %L, 'fence', %s))) ->> 'lost'$$,
    current_setting('test.account'), current_setting('test.fence')::int + 1)),
  format('["%s"]', current_setting('test.account')), 'its old holder learns that with its next renewal');
update public.exchange_accounts set leased_until = clock_timestamp() - interval '1 millisecond'
where id = current_setting('test.account')::uuid;
select is(
  pg_temp.as_role('trading_bridge', 'vyx-other', format(
    $$select (a.r -> 'lost' ? %1$L) || ' ' || (a.r -> 'free' ? %1$L) || ' ' || (a.r -> 'renewed')
      from (select public.renew_accounts(jsonb_build_array(jsonb_build_object('account_id', %1$L, 'fence', %2$s))) as r) a$$,
    current_setting('test.account'), current_setting('test.fence')::int + 2)),
  'true true []', 'a lease that ended is not revived by a renewal: it is lost, and free for everybody');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-other', format(
    'select public.claim_accounts(accounts => array[%L]::uuid[]) -> 0 ->> ''fence'' ', current_setting('test.account'))),
  (current_setting('test.fence')::int + 3)::text, 'its holder of before claims it again, with a new fence');
select cmp_ok(
  (select pg_temp.as_role('trading_bridge', 'vyx-other', format(
    $$select public.list_trading(%L, %s) -> 'terms' ->> 'number'$$,
    current_setting('test.account'), current_setting('test.fence')::int + 3))::bigint), '<',
  (select pg_temp.as_role('trading_bridge', 'vyx-other', format(
    $$select public.renew_accounts(jsonb_build_array(jsonb_build_object('account_id', %L, 'fence', %s)))
      -> 'renewed' -> 0 ->> 'number'$$,
    current_setting('test.account'), current_setting('test.fence')::int + 3))::bigint),
  'what is told later has a higher number');
select matches(
  pg_temp.as_role('trading_bridge', null, 'select public.claim_accounts()'), '^42501 only a machine',
  'a token without a machine holds nothing');
select throws_ok(
  format($$update public.traders set default_exchange_account_id = '00000000-0000-4000-8000-0000000000ac', user_id = %L
    where id = %L$$, current_setting('test.stranger'), current_setting('test.trader')),
  '23514', null, 'a trader cannot take an account to another owner');

select * from finish();
rollback;
