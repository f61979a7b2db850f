-- A user makes and changes traders of their own, but neither their counters nor their owner; machines read them all.
begin;
\ir stage.psql
select plan(13);

select is(pg_temp.as_role('authenticated', pg_temp.ann()::text,
  'insert into public.traders (name, symbols, "interval", conditions) values (''Mine'', ''{ETHUSDT}'', ''5m'', ''{close > 1}'')
   returning user_id'), pg_temp.ann()::text, 'a new trader belongs to its maker');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, format(
  'insert into public.traders (user_id, name, symbols, "interval", conditions)
   values (%L, ''Theirs'', ''{ETHUSDT}'', ''5m'', ''{close > 1}'')', pg_temp.stranger())), '42501%row-level security%',
  'nobody makes traders for others');
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select count(*) from public.traders'), '2',
  'a user reads their own');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.traders'), '0',
  'a stranger reads none');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text,
  format('with c as (update public.traders set status = ''paused'' where id = %L returning 1) select count(*) from c',
    pg_temp.ann_trader())), '0', 'a stranger changes none');
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text,
  format('update public.traders set status = ''paused'' where id = %L returning status', pg_temp.ann_trader())),
  'paused', 'an owner pauses a trader');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.traders set winning_trades = 100'), '42501%',
  'counters are not the owner''s to write');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, format('update public.traders set user_id = %L',
  pg_temp.stranger())), '42501%', 'a trader is not given away');
select throws_ok(format('update public.traders set user_id = %L where id = %L', pg_temp.stranger(), pg_temp.ann_trader()),
  '23514', null, 'not even by an operator');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'delete from public.traders'), '42501%',
  'a trader is not deleted, it becomes deleted');
select cmp_ok(pg_temp.as_role('signal_worker', 'stage-worker', 'select count(*) from public.traders')::integer, '>=', 4,
  'a worker reads all traders');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', 'update public.traders set status = ''paused'''), '42501%',
  'and changes none');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.traders'), '42501%', 'anonymous reads none');

select * from finish();
rollback;
