-- Every end carries a reason of its own list; nothing else carries one.
begin;
\ir stage.psql
select plan(6);

select pg_temp.make_signal() as signal \gset

select throws_ok(
  format('update public.signals set status = %L where id = %L', 'expired', :'signal'),
  '23514', null, 'an end without a reason is refused');
select throws_ok(
  format('update public.signals set status = %L, outcome_code = %L where id = %L', 'expired', 'take_profit', :'signal'),
  '23514', format('signal %s cannot be expired for the reason take_profit', :'signal'),
  'a reason of another end is refused');
select throws_ok(
  format('update public.signals set outcome_code = %L where id = %L', 'signal_stale', :'signal'),
  '23514', null, 'a signal that goes on has no reason');
select lives_ok(
  format('update public.signals set status = %L, outcome_code = %L where id = %L', 'expired', 'signal_stale', :'signal'),
  'an end with its own reason is taken');
select results_eq(
  format('select closed_at is not null, outcome_code from public.signals where id = %L', :'signal'),
  $$ values (true, 'signal_stale') $$, 'the end has its time');
select results_eq(
  'select status::text, count(*)::integer from public.outcome_codes group by status order by 1',
  $$ values ('closed', 11), ('expired', 26), ('rejected', 14) $$, 'the list of reasons is whole');

select * from finish();
rollback;
