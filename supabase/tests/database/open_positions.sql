-- What a user holds now: with the latest price that is known, its protection and its warnings; for its owner alone.
begin;
\ir trading_setup.psql
select plan(27);

select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))) \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'entry', 'confirmed'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '7', '100.10', '10'))) \g /dev/null
create function pg_temp.held(who text default 'ann', role_name text default 'authenticated') returns jsonb
language plpgsql as $$
declare
  answer text := pg_temp.as_role(role_name,
    case when role_name = 'trading_bridge' then 'vyx-test' else current_setting('test.' || who) end,
    'select coalesce(jsonb_agg(to_jsonb(p)), ''[]'') from public.open_positions() p');
begin
  return case when answer ~ '^[\[]' then answer::jsonb else to_jsonb(answer) end;
end;
$$;
create function pg_temp.first(name text) returns text language sql as $$ select pg_temp.held() -> 0 ->> name; $$;

select is(jsonb_array_length(pg_temp.held()), 1, 'its owner sees it');
select is(pg_temp.first('signal_name'), (select public.human_name(s) from public.signals s where s.id = :'s'), 'by its signal''s name');
select is(pg_temp.first('amount') || ' ' || pg_temp.first('entry_average'), '10 100.1', 'amounts are text');
select is(pg_temp.first('price') || ' ' || pg_temp.first('price_source'), '100 signal', 'at first the signal''s own price is known');
insert into public.signal_monitoring_snapshots (signal_id, user_id, occurred_at, number, action, price, created_at)
values (:'s', current_setting('test.ann')::uuid, now(), 1, 'continue', 100.90, now() + interval '1 ms'),
  (:'s', current_setting('test.ann')::uuid, now(), 2, 'ready', 100.50, now() + interval '1 ms');
select is(pg_temp.first('price') || ' ' || pg_temp.first('price_source'), '100.50 watch', 'then what the watch saw last');
select pg_temp.tell(pg_temp.told('marks', '{"symbol": "BTC/USDT:USDT", "price": "101.25"}')) \g /dev/null
select is(pg_temp.first('price') || ' ' || pg_temp.first('price_source'), '101.25 bridge', 'then what the bridge told');
select ok(pg_temp.first('price_at')::timestamptz > now(), 'with the wall''s time of it');

-- Liquidation -----------------------------------------------------------------------------------------------

select is(pg_temp.first('liquidation_price'), null, 'the venue said of no liquidation');
select pg_temp.tell(pg_temp.told('marks', '{"symbol": "BTC/USDT:USDT", "price": "101", "side": "short", "liquidation_price": "140"}')) \g /dev/null
select is(pg_temp.first('liquidation_price'), null, 'that of the other side is not its own');
select pg_temp.tell(pg_temp.told('marks', '{"symbol": "BTC/USDT:USDT", "price": "101", "side": "long", "liquidation_price": "61.5"}')) \g /dev/null
select is(pg_temp.first('liquidation_price'), '61.5', 'its own is known when the venue says it');
select pg_temp.tell(pg_temp.told('marks', '{"symbol": "BTC/USDT:USDT", "price": "102"}')) \g /dev/null
select is(pg_temp.first('liquidation_price'), '61.5', 'a price alone leaves it');
select pg_temp.tell(pg_temp.told('marks', '{"symbol": "BTC/USDT:USDT", "price": "102", "side": "long", "liquidation_price": "-1"}')) \g /dev/null
select is(pg_temp.first('liquidation_price'), null, 'one that is none is none');
select pg_temp.tell(pg_temp.told('notices', '{"event_type": "margin_warning", "why": "3 % from its liquidation",
  "event_data": {"symbol": "BTC/USDT:USDT", "side": "long", "severity": "warn"}}')) \g /dev/null
select is(pg_temp.first('margin_warning'), '3 % from its liquidation', 'a warning of the account is with it');

-- Protection ------------------------------------------------------------------------------------------------

select is(pg_temp.first('unprotected_reason'), 'no confirmed stop loss', 'without a stop it stands out');
select ok(pg_temp.first('unprotected_since') is not null, 'and since when');
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'s', 'stop_loss', '4'), pg_temp.guard(:'s', 'take_profit'))) \g /dev/null
select is(pg_temp.held() #>> '{0,stop,status}', 'intended', 'its stop is under way');
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'s', 'stop_loss', 'confirmed'))) \g /dev/null
select is(pg_temp.first('unprotected_reason'), 'the stop loss covers 4 of 10', 'half a stop is none');
select is(pg_temp.held() #>> '{0,stop,amount}', '4', 'what it covers is told');
select is(pg_temp.held() #>> '{0,take,trigger_price}', '104', 'its target too');
update public.orders set amount = 10 where signal_id = :'s' and leg = 'stop_loss';
select is(pg_temp.first('unprotected_reason'), null, 'covered whole it is protected');

-- Who ----------------------------------------------------------------------------------------------------------

select is(pg_temp.held('stranger'), '[]', 'a stranger holds nothing');
select matches(pg_temp.held('ann', 'anon') #>> '{}', '^42501', 'nobody anonymous may ask');
select matches(pg_temp.held('ann', 'trading_bridge') #>> '{}', '^42501', 'nor a machine');
select is(jsonb_array_length(pg_temp.held('ann', 'service_role')), (select count(*)::int from public.positions where status = 'open'),
  'an operator sees everybody''s');
select matches(pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select * from private.unprotected_positions()'),
  '^42501', 'nobody reads whose are unprotected past that');

select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format('select public.renew_accounts(%L) #>> ''{renewed,0,watched}''',
    jsonb_build_array(jsonb_build_object('account_id', current_setting('test.account'), 'fence', current_setting('test.fence'))))),
  'false', 'the bridge hears that nobody looks');
select pg_temp.as_role('authenticated', current_setting('test.ann'), 'select public.watch_signals(60)') \g /dev/null
select is(
  pg_temp.as_role('trading_bridge', 'vyx-test', format('select public.renew_accounts(%L) #>> ''{renewed,0,watched}''',
    jsonb_build_array(jsonb_build_object('account_id', current_setting('test.account'), 'fence', current_setting('test.fence'))))),
  'true', 'and that the owner does');

select * from finish();
rollback;
