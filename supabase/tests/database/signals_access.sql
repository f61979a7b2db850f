-- An owner reads and tags their signals and their histories; a stranger sees nothing; nobody rewrites or removes any.
begin;
\ir stage.psql
select plan(26);

select pg_temp.make_ready() as signal \gset

select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select count(*) from public.signals'), '1', 'an owner reads it');
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, format('select count(*) from public.signal_history(%L)', :'signal')),
  '4', 'and its history');
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select count(*) from public.signal_monitoring_snapshots'), '1',
  'and its snapshots');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.signals'), '0', 'a stranger not');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text,
  format('select count(*) from public.signal_history(%L)', :'signal')), '0', 'nor its history');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.signal_monitoring_snapshots'), '0',
  'nor its snapshots');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.signals'), '42501%', 'anonymous reads none');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.signal_events'), '42501%', 'nor events');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', 'select count(*) from public.signals'), '42501%',
  'a worker reads none');
select alike(pg_temp.as_role('analyst', 'stage-analyst', 'select count(*) from public.signal_events'), '42501%',
  'an analyst reads what it claims, not the table');

select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.signals set tags = ''{fast}'' returning tags'),
  '{fast}', 'an owner tags it');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text,
  'with t as (update public.signals set tags = ''{mine}'' returning 1) select count(*) from t'), '0', 'a stranger does not');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.signals set status = ''expired'''), '42501%',
  'an owner does not set the status');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.signals set total_pnl = 1000000'), '42501%',
  'nor the profit');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'delete from public.signals'), '42501%', 'nor removes it');
select alike(pg_temp.as_role('service_role', null, 'delete from public.signals'), '42501%', 'nor does an operator');
select throws_ok(format('update public.signals set user_id = %L where id = %L', pg_temp.stranger(), :'signal'), '23514', null,
  'a signal keeps its identity');
-- And whatever else a seal covers of it, to the letter.
select throws_ok(format('update public.signals set %s where id = %L', change, :'signal'), '23514', null, 'so not even its owner sets ' || change)
from unnest(array[
  'side = ''short''', 'normalised_symbol = ''ETH/USDT''', 'initial_price = 1', 'initial_price = initial_price + 0.000000',
  'matched_conditions = ''["other"]''', 'original_signal = ''{"a": 1}'''
]) change;
set local session_replication_role = replica;
update public.signals set original_signal = '{"price": 1.5}' where id = :'signal';
set local session_replication_role = origin;
select throws_ok(format('update public.signals set original_signal = ''{"price": 1.50}'' where id = %L', :'signal'), '23514', null,
  'equal numbers in another form are another form');
select throws_ok(format('update public.signals set original_signal = null where id = %L', :'signal'), '23514', null, 'nothing is something else');
select lives_ok(format('update public.signals set side = side, initial_price = initial_price, matched_conditions = matched_conditions,
  original_signal = original_signal, current_price = 3 where id = %L', :'signal'), 'what stays as it is may be written');

select * from finish();
rollback;
