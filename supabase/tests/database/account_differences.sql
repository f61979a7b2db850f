-- What a venue's ledger says of an account is held against the record, day by day: what neither fills nor incomes
-- explain is a row, and an alarm once two looks have found it.
begin;
\ir trading_setup.psql
select plan(28);

create function pg_temp.look(amount text, at text default '2026-11-21 10:00Z', currency text default 'USDT',
  machine text default 'vyx-test') returns text language sql as $$
  select pg_temp.as_role('trading_bridge', machine, format('select public.tell_wallet(%L, %s, %L, %L)',
    current_setting('test.account'), current_setting('test.fence'),
    jsonb_build_array(jsonb_build_object('currency', currency, 'amount', amount, 'rounding', '0.001')), at));
$$;
create function pg_temp.differences() returns text language sql as $$
  select string_agg(format('%s %s %s %s %s', d.day, d.currency, trim_scale(d.venue_change), trim_scale(d.recorded_change),
    trim_scale(d.difference)), ', ' order by d.day, d.currency) from public.account_differences d;
$$;
create function pg_temp.alarm() returns jsonb language sql as $$
  select c from jsonb_array_elements(pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'checks') c
  where c ->> 'name' = 'ledgers';
$$;

-- Of one mind -----------------------------------------------------------------------------------------------

select is(pg_temp.look('10000'), '{"settled": true}', 'a wallet of which nothing was traded');
select is(pg_temp.differences(), null, 'makes no row');
select pg_temp.make_ready() as s \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'s'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill(:'s', 'entry', '1', '100', '10'))) \g /dev/null
-- Ten for 100 each and a fee of a half: the wallet has 9,999.5, less the 1,000 that is held.
select is(pg_temp.look('8999.5', '2026-11-21 11:00Z'), '{"settled": true}', 'what was bought is paid');
select is(pg_temp.differences(), '2026-11-21 USDT -1000.5 -1000.5 0', 'from where the wallet stood before it was');
select pg_temp.tell(pg_temp.told('incomes', jsonb_build_object('venue_income_id', 'f1', 'kind', 'funding',
  'symbol', 'BTC/USDT:USDT', 'amount', '-2', 'currency', 'USDT', 'amount_quote', '-2', 'occurred_at', now()))) \g /dev/null
select is(pg_temp.look('8997.5', '2026-11-21 12:00Z'), '{"settled": true}', 'funding is explained by the record');
select pg_temp.tell(pg_temp.told('incomes', jsonb_build_object('venue_income_id', 't1', 'kind', 'transfer',
  'amount', '500', 'currency', 'USDT', 'amount_quote', '500', 'occurred_at', now()))) \g /dev/null
select is(pg_temp.look('9497.5', '2026-11-21 13:00Z'), '{"settled": true}', 'and so is a transfer');
select is((select total from public.risk_measures where subject_id = current_setting('test.account')::uuid), -2.5,
  'which nobody won or lost');
select is(pg_temp.look('9497.5009', '2026-11-21 14:00Z'), '{"settled": true}', 'digits that are cut off are no difference');

-- Apart -----------------------------------------------------------------------------------------------------

select is(pg_temp.look('9490', '2026-11-21 15:00Z'), '{"settled": false}', 'what nothing explains is worth another look');
select is((select count(*)::int from public.account_events where event_type = 'ledger_differs'), 0, 'a single look tells nobody');
select is(pg_temp.look('9497.5', '2026-11-21 15:01Z'), '{"settled": true}', 'since a fill may have been under way');
select is(pg_temp.look('9490', '2026-11-21 15:02Z'), '{"settled": false}', 'it is gone and comes again');
select is(pg_temp.look('9480', '2026-11-21 15:03Z'), '{"settled": false}', 'or changes');
select is(pg_temp.look('9480', '2026-11-21 15:04Z'), '{"settled": true}', 'and stays');
select is(pg_temp.differences(), '2026-11-21 USDT -520 -502.5 -17.5', 'the row has it');
select is(pg_temp.look('9480', '2026-11-21 15:05Z'), '{"settled": true}', 'for as long as it lasts');
select is((select string_agg(details ->> 'difference', ',') from public.account_events where event_type = 'ledger_differs'),
  '-17.5', 'the account''s trail has it once');
update public.account_differences set day = private.utc_day(now());
select is(pg_temp.alarm() #>> '{found,0,difference}', '-17.5', 'the doctor names it');
update public.account_differences set day = private.utc_day(now()) - 2;
select is(pg_temp.alarm() -> 'ok', 'true', 'until it is old');
update public.account_differences set day = '2026-11-21';

-- Days ------------------------------------------------------------------------------------------------------

select is(pg_temp.look('9480', '2026-11-22 00:10Z'), '{"settled": true}', 'the next day begins where the last one ended');
select is(pg_temp.differences(), '2026-11-21 USDT -520 -502.5 -17.5, 2026-11-22 USDT 0 0 0', 'with a row of its own');
select is(pg_temp.look('9470', '2026-11-21 09:00Z'), '{"settled": false}', 'time that is set back');
select is((select max(day)::text from public.account_differences), '2026-11-22', 'makes no older day');
select is(pg_temp.look('5', '2026-11-22 01:00Z', 'BNB'), '{"settled": false}', 'a currency that is not told is empty');

-- Whose -----------------------------------------------------------------------------------------------------

select alike(pg_temp.look('1', machine => 'vyx-other'), '55000%', 'another machine tells nothing of it');
select alike(pg_temp.look('many'), '22023%', 'nor does anybody tell what is no amount');
select is(array[pg_temp.as_role('authenticated', current_setting('test.ann'), 'select count(*) from public.account_differences'),
    pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.account_differences')],
  array['2', '0'], 'their owner reads them, a stranger none');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.account_differences'), '42501%', 'nor anybody anonymous');

select finish();
rollback;
