-- A trader's analyses of a day are limited: what is over the limit is rejected by the claim, and a second try is free.
begin;
\ir stage.psql
select plan(6);

update public.traders set ai_analysis_limit = 2 where id = pg_temp.eli_trader();
select date_trunc('day', now(), 'UTC') - interval '12 hours' as noon \gset
create temporary table made as
select pg_temp.make_signal(pg_temp.eli_trader(), 'S' || n || 'USDT', now() - :'noon') as signal, n from generate_series(1, 4) n;

select pg_temp.claim('analysis') as held \gset
select is(jsonb_array_length(:'held'), 2, 'two of four are handed over');
select results_eq($$ select s.status::text, s.outcome_code, count(*)::integer from made m join public.signals s on s.id = m.signal
  group by 1, 2 order by 1 $$, $$ values ('analyzing', null, 2), ('rejected', 'analysis_limit', 2) $$, 'the others end for that reason');
select is(pg_temp.as_role('analyst', 'stage-analyst', format('select public.release_work(''analysis'', %L)', :'held'))::jsonb -> 'released',
  '2', 'the two are given back');
select is(jsonb_array_length(pg_temp.claim('analysis')), 2, 'and handed over again');
update public.signal_queue set leased_until = now() - interval '1 second' where signal_id in (select signal from made);
select is(jsonb_array_length(pg_temp.claim('analysis')), 2, 'also after a lost lease');
select pg_temp.make_signal(pg_temp.eli_trader(), 'TUSDT', now() - :'noon'::timestamptz - interval '12 hours') as other_day \gset
select is(pg_temp.claim('analysis') #>> '{0,signal_id}', :'other_day', 'another day has its own');

select * from finish();
rollback;
