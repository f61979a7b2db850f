-- Closing by hand: one position, one account, everything. The trail says who asked and why.
begin;
\ir trading_setup.psql
select plan(19);

select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '1', '100', '10'))) \g /dev/null
select id as p from public.positions where signal_id = :'s' \gset

create function pg_temp.close(role_name text, who text, position_id text, why text default 'too risky') returns text
language sql as $$
  select pg_temp.as_role(role_name, who, format('select public.close_position(%L, %L)', position_id, why));
$$;

select matches(pg_temp.close('authenticated', current_setting('test.stranger'), :'p'), '^P0002', 'a stranger closes nothing');
select matches(pg_temp.close('anon', null, :'p'), '^42501', 'nor anybody anonymous');
select matches(pg_temp.close('trading_bridge', 'vyx-test', :'p'), '^42501', 'nor a machine by this way');
select matches(pg_temp.close('authenticated', current_setting('test.ann'), :'p', ''), '^22023 say why', 'a reason is wanted');
select is(pg_temp.close('authenticated', current_setting('test.ann'), :'p')::jsonb ->> 'state', 'closing', 'the owner closes it');
select is((select exit_reason from public.positions where id = :'p'), 'manual_close', 'it is to be flattened');
select is((select string_agg(event_type || ': ' || (details ->> 'reason'), ', ') from public.account_events where details ->> 'position_id' = :'p'),
  'close_requested: too risky', 'the account''s trail has it');
select is((select event_data ->> 'message' from public.signal_events where signal_id = :'s' order by number desc limit 1),
  'too risky', 'and the signal''s');
select is(pg_temp.close('service_role', null, :'p')::jsonb ->> 'state', 'closing', 'asked again it is under way');
select is((select count(*)::int from public.account_events where event_type = 'close_requested'), 1, 'and once in the trail');
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format('select public.renew_accounts(%L) #>> ''{renewed,0,closing,0}''',
    jsonb_build_array(jsonb_build_object('account_id', current_setting('test.account'), 'fence', current_setting('test.fence'))))),
  :'s', 'the bridge that holds the account is told');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'s', 'exit'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'exit', '2', '101', '10'))) \g /dev/null
select is(pg_temp.close('authenticated', current_setting('test.ann'), :'p')::jsonb ->> 'state', 'closed', 'until it is closed');

-- An account, and everything ------------------------------------------------------------------------------

select matches(pg_temp.as_role('authenticated', current_setting('test.stranger'),
  format('select public.close_account(%L, ''mine'')', current_setting('test.account'))), '^P0002', 'a stranger closes no account');
select is(pg_temp.as_role('authenticated', current_setting('test.ann'),
  format('select public.close_account(%L, ''enough'')', current_setting('test.account')))::jsonb ->> 'status', 'halted',
  'its owner does: it is halted, and the bridge flattens it');
select is((select string_agg(event_type, ', ' order by id) from (
    select * from public.account_events where account_id = current_setting('test.account')::uuid order by id desc limit 2) e),
  'close_requested, status_changed', 'both are in the trail');
select is(pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select public.close_everything(''all'')'), '[]',
  'everything of a stranger is nothing');
select pg_temp.as_role('authenticated', current_setting('test.ann'), format(
  'select public.set_account_status(%L, ''active'', ''again'')', current_setting('test.account'))) \g /dev/null
select is(jsonb_array_length(pg_temp.as_role('authenticated', current_setting('test.ann'),
  'select public.close_everything(''all'')')::jsonb), 1, 'everything of Ann is her account');
select is((select status::text from public.exchange_accounts where id = current_setting('test.account')::uuid), 'halted',
  'which is halted');
select matches(pg_temp.as_role('trading_bridge', 'vyx-test', 'select public.close_everything(''all'')'), '^42501',
  'a machine closes not everything');

select * from finish();
rollback;
