-- Limits: who sets them, what each refuses with which code, and that they hold in the transaction of the intent.
begin;
\ir trading_setup.psql
select plan(52);

create function pg_temp.as_ann(statement text) returns text language sql as $$
  select pg_temp.as_role('authenticated', current_setting('test.ann'), statement);
$$;
-- These limits and no others.
create function pg_temp.only(limits text) returns jsonb language sql as $$
  select '{"max_positions": null, "max_notional": null, "max_symbol_notional": null, "max_daily_loss": null,
    "max_drawdown": null, "max_orders_per_minute": null, "reduce_at_percent": null}'::jsonb || limits::jsonb;
$$;
create function pg_temp.limit_account(limits text) returns text language sql as $$
  select pg_temp.as_ann(format('select public.set_risk_limits(%L, account_id => %L)', pg_temp.only(limits),
    current_setting('test.account')));
$$;
create function pg_temp.limit_trader(limits text) returns text language sql as $$
  select pg_temp.as_ann(format('select public.set_risk_limits(%L, trader_id => %L)', pg_temp.only(limits),
    current_setting('test.trader')));
$$;
-- The code that an entry is refused with, or its status.
create function pg_temp.enter(signal uuid, price text default '100', amount text default '10') returns text language plpgsql as $$
declare
  answer jsonb := pg_temp.tell(pg_temp.told('intents', pg_temp.entry(signal, 1, amount) || jsonb_build_object('planned_price', price)));
begin
  return coalesce(answer #>> '{refused,0,code}', answer #>> '{orders,0,status}');
end;
$$;

-- Who may -------------------------------------------------------------------------------------------------

select matches(pg_temp.limit_account('{"max_positions": 1}'), '"before": null', 'an owner sets the limits of an account');
select is(pg_temp.as_ann('select max_positions from public.risk_limits'), '1', 'and reads them');
select is(pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.risk_limits'), '0',
  'a stranger does not');
select matches(pg_temp.as_role('authenticated', current_setting('test.stranger'),
  format('select public.set_risk_limits(''{}'', account_id => %L)', current_setting('test.account'))), '^P0002',
  'nor sets them');
select matches(pg_temp.as_role('authenticated', current_setting('test.stranger'),
  format('select public.set_risk_limits(''{}'', trader_id => %L)', current_setting('test.trader'))), '^P0002',
  'nor those of a trader');
select matches(pg_temp.as_role('trading_bridge', 'vyx-test',
  format('select public.set_risk_limits(''{}'', account_id => %L)', current_setting('test.account'))), '^42501',
  'a machine sets none');
select matches(pg_temp.as_role('anon', null, 'select public.set_risk_limits(''{}'')'), '^42501', 'nor does anybody anonymous');
select matches(pg_temp.as_ann('insert into public.risk_limits (account_id) values (null)'), '^42501',
  'nobody writes them past the function');
select matches(pg_temp.limit_account('{"max_positions": 1001}'), 'a limit of positions', 'nobody lifts the hard cap');
select matches(pg_temp.limit_account('{"max_daily_loss": -1}'), 'a limit of losses', 'a loss limit is above zero');
select matches(pg_temp.limit_account('{"max_dayly_loss": 5}'), 'there is no limit max_dayly_loss', 'a wrong name is told');
select is(
  (select string_agg(event_type || ' by ' || actor || ' ' || (details ->> 'max_positions'), ', ') from public.account_events
   where account_id = current_setting('test.account')::uuid and event_type like 'limits%'),
  'limits_set by user ' || current_setting('test.ann') || ' 1', 'the trail has what was set, and who did it');

-- Only what is named changes ------------------------------------------------------------------------------

create function pg_temp.change(limits text, path text) returns text language sql as $$
  select pg_temp.as_ann(format('select public.set_risk_limits(%L, account_id => %L) #>> %L', limits,
    current_setting('test.account'), path));
$$;
select is(pg_temp.change('{"max_notional": 500, "reduce_at_percent": 60}', '{after,max_positions}'), '1',
  'a limit that is not named stays');
select is(pg_temp.change('{"max_orders_per_minute": 7}', '{after,max_notional}'), '500', 'and so does one that is set later');
select is(pg_temp.change('{}', '{after,reduce_at_percent}'), '60', 'from which share on the account reduces stays, too');
select is(pg_temp.change('{"max_notional": null}', '{before,max_notional}'), '500', 'the answer says what was before');
select is(pg_temp.change('{}', '{after,max_notional}'), null, 'null lifts a limit');
select is(
  (select details #>> '{before,max_notional}' from public.account_events
   where account_id = current_setting('test.account')::uuid and event_type = 'limits_set'
     and details -> 'max_notional' is null order by id limit 1 offset 1),
  '500', 'the trail has it, too');
select pg_temp.limit_account('{"max_positions": 1}') \g /dev/null

-- What each refuses ---------------------------------------------------------------------------------------

select pg_temp.make_ready('BTCUSDT') as a \gset
select pg_temp.make_ready('ETHUSDT') as b \gset
select pg_temp.make_ready('SOLUSDT') as c \gset
select is(pg_temp.enter(:'a'), 'intended', 'the first entry is within one position');
select is(pg_temp.enter(:'b'), 'position_limit', 'a second is not: an order under way counts');
select pg_temp.limit_account('{"max_notional": 1999}') \g /dev/null
select is(pg_temp.enter(:'b'), 'notional_limit', 'nor one that takes the account over its notional');
select pg_temp.limit_account('{"max_symbol_notional": 999}') \g /dev/null
select is(pg_temp.enter(:'b'), 'symbol_limit', 'or over its exposure to a symbol');
select pg_temp.limit_account('{"max_orders_per_minute": 1}') \g /dev/null
select is(pg_temp.enter(:'b'), 'order_rate_limit', 'or over its orders of a minute');
select pg_temp.limit_account('{"max_symbol_notional": 1050}') \g /dev/null
select is(
  pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'b', 1, '6') || '{"planned_price": "100"}',
    pg_temp.entry(:'b', 2, '5') || '{"planned_price": "100"}')) #>> '{refused,0,code}', 'symbol_limit',
  'two entries of a signal are worth both');
select pg_temp.limit_account('{}') \g /dev/null
select pg_temp.limit_trader('{"max_positions": 1}') \g /dev/null
select is(pg_temp.enter(:'b'), 'position_limit', 'a trader''s limits hold as well');
select pg_temp.limit_trader('{"max_notional": 1500}') \g /dev/null
select is(pg_temp.enter(:'b'), 'notional_limit', 'each of them');
select pg_temp.limit_trader('{"max_symbol_notional": 999, "max_orders_per_minute": 1}') \g /dev/null
select is(pg_temp.enter(:'b', '90'), 'order_rate_limit', 'by what the order is worth');
select pg_temp.limit_trader('{}') \g /dev/null
select is(
  (select count(*)::text || ' ' || count(*) filter (where s.status = 'ready') from public.signals s where s.id = :'b'),
  '1 1', 'a refusal leaves the signal as it is: the bridge ends it with the code');

-- Losses --------------------------------------------------------------------------------------------------

select pg_temp.limit_account('{"max_daily_loss": 100, "reduce_at_percent": 40}') \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'a', 'entry', '1', '100', '10'))) \g /dev/null
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'a', 'stop_loss'))) \g /dev/null
select is((select status::text from public.exchange_accounts where id = current_setting('test.account')::uuid), 'active',
  'a fee is no loss that matters');
create function pg_temp.used(role_name text, who text) returns text language sql as $$
  select pg_temp.as_role(role_name, who, format(
    'select concat_ws('' '', status, trim_scale(daily_loss), trim_scale(drawdown), positions, trim_scale(notional), trim_scale(total))
     from public.risk_use(%L)', current_setting('test.account')));
$$;
select is(pg_temp.used('authenticated', current_setting('test.ann')), 'active 0.5 0.5 1 1000 -0.5',
  'its owner is told what of the limits is used');
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'a', 'stop_loss', '2', '95', '10'))) \g /dev/null
select is((select total from public.risk_measures where subject_id = current_setting('test.account')::uuid), -51::numeric,
  'what was lost is what the fills say');
select is(pg_temp.used('authenticated', current_setting('test.ann')),
  (select concat_ws(' ', 'reducing', trim_scale(l.daily_loss), trim_scale(l.drawdown), 0, 0, -51)
    from private.losses_of(current_setting('test.account')::uuid, now()) l), 'also when it was lost');
select is(pg_temp.used('authenticated', current_setting('test.stranger')), null, 'nobody else is');
select alike(pg_temp.used('anon', null), '42501%', 'anonymous may not ask');
select alike(pg_temp.used('trading_bridge', 'vyx-1'), '42501%', 'nor a machine');
select is((select status::text from public.exchange_accounts where id = current_setting('test.account')::uuid), 'reducing',
  'at a share of the limit the account only reduces');
select is(pg_temp.enter(:'b'), 'account_inactive', 'and opens nothing');
select pg_temp.as_ann(format($$select public.set_account_status(%L, 'active', 'looked at it')$$, current_setting('test.account'))) \g /dev/null
select is((select daily_loss from private.losses_of(current_setting('test.account')::uuid, now())), 0::numeric,
  'a person who lets it trade again starts its losses anew');
select is(pg_temp.enter(:'b'), 'intended', 'so that it can');
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'b', 'entry', '3', '100', '10'))) \g /dev/null
select pg_temp.tell(pg_temp.told('intents', pg_temp.guard(:'b', 'stop_loss'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'b', 'stop_loss', '4', '90', '10')),
  pg_temp.told('intents', pg_temp.entry(:'c'))) as both \gset
select is((:'both'::jsonb) #>> '{refused,0,code}', 'account_inactive', 'a loss told with an intent counts before it');
select is((:'both'::jsonb) #>> '{terms,status}', 'halted', 'the whole of the limit halts, and the bridge is told');
select is(
  (select string_agg(e.event_type || ' ' || (e.details ->> 'reason'), '; ' order by e.id) from public.account_events e
   where e.account_id = current_setting('test.account')::uuid and (e.details ->> 'by' = 'rule' or e.details ->> 'to' = 'halted')),
  'limit_reached lost 51 of 100 today; limit_reached lost 101 of 100 today; status_changed lost 101 of 100 today',
  'the trail has why');

select pg_temp.as_ann(format($$select public.set_account_status(%L, 'reducing', 'looked at it')$$, current_setting('test.account'))) \g /dev/null
select is((select daily_loss from private.losses_of(current_setting('test.account')::uuid, now())), 0::numeric,
  'a halt that is lifted for reducing alone starts its losses anew as well');

-- A trader's losses refuse it, and leave the account alone.
select pg_temp.limit_account('{}') \g /dev/null
select pg_temp.as_ann(format($$select public.set_account_status(%L, 'active', 'looked at it')$$, current_setting('test.account'))) \g /dev/null
select pg_temp.limit_trader('{"max_daily_loss": 150}') \g /dev/null
select is(pg_temp.enter(:'c'), 'daily_loss_limit', 'a trader that lost its limit enters nothing');
select pg_temp.limit_trader('{"max_drawdown": 150}') \g /dev/null
select is(pg_temp.enter(:'c'), 'drawdown_limit', 'nor one that is as far below its best');
select pg_temp.limit_trader('{"max_drawdown": 153}') \g /dev/null
select is(pg_temp.enter(:'c'), 'intended', 'a looser limit lets it');

-- Written off ---------------------------------------------------------------------------------------------

savepoint written_off;
select pg_temp.limit_trader('{}') \g /dev/null
select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'c', 'entry', 'rejected'))) \g /dev/null
select pg_temp.limit_account('{"max_daily_loss": 100}') \g /dev/null
select pg_temp.as_ann(format($$select public.set_account_status(%L, 'active', 'looked at it')$$, current_setting('test.account'))) \g /dev/null
select private.measure_anew(current_setting('test.account')::uuid) \g /dev/null
select total as before from public.risk_measures where subject_id = current_setting('test.account')::uuid \gset
select total as trader_before from public.risk_measures where subject_id = current_setting('test.trader')::uuid \gset
select pg_temp.make_ready('BTCUSDT', '5 minutes') as short \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'short') || '{"side": "sell", "stop_loss": "102", "take_profit": "90"}')) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'short', 'entry', '90', '100', '10', '1'))) \g /dev/null
select pg_temp.tell(pg_temp.told('write_offs', jsonb_build_object('position_id',
  (select id from public.positions where signal_id = :'short')))) \g /dev/null
select is((select status || ' ' || close_state from public.positions where signal_id = :'short'), 'closed written_off',
  'a short is closed without a fill');
select is((select trim_scale(total - :'before') from public.risk_measures where subject_id = current_setting('test.account')::uuid),
  -1001::numeric, 'and counts as lost whole, like a long');
select is((select trim_scale(total - :'trader_before') from public.risk_measures where subject_id = current_setting('test.trader')::uuid),
  -1001::numeric, 'to its trader as well');
select is((select status::text from public.exchange_accounts where id = current_setting('test.account')::uuid), 'halted',
  'which halts the account at once');
rollback to written_off;

-- In doubt ------------------------------------------------------------------------------------------------

select pg_temp.tell(pg_temp.told('outcomes', pg_temp.outcome(:'c', 'entry', 'unresolved'))) \g /dev/null
select pg_temp.make_ready('BTCUSDT', '3 minutes') as d \gset
select is(pg_temp.enter(:'d'), 'account_unresolved', 'an order in doubt blocks the account''s entries');

select ok(exists (
  select from jsonb_array_elements(pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'checks') c
  where c ->> 'name' = 'orders' and c -> 'ok' = 'false' and c -> 'found' @> jsonb_build_array(
    jsonb_build_object('client_order_id', pg_temp.cid(:'c', 'entry')))), 'and the doctor names it');

select * from finish();
rollback;
