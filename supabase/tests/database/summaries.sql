-- Summaries say what became of the signals that fired in a minute, an hour, a day of UTC; a late row changes the period
-- that it belongs to, a summary is whole or gone, and everyone sees their own.
begin;
\ir stage.psql
select plan(22);

-- The job counts what is committed; in this one transaction, each day is counted as it is told.
create function pg_temp.count(wanted date, from_tx bigint default 0) returns void language plpgsql as $$
begin
  perform private.count_day((select d from private.partition_days d where d.day = wanted), from_tx, 9223372036854775807);
end;
$$;
create function pg_temp.fire(symbol text, at timestamptz) returns uuid language plpgsql as $$
begin
  perform pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), symbol, '0', jsonb_build_object('triggered_at', at))));
  return public.signal_id(pg_temp.eli_trader(), symbol, '1m', at);
end;
$$;
create function pg_temp.ticks(kind text, who uuid default pg_temp.eli()) returns table (start text, total bigint) language sql as $$
  select to_char(m.period_start at time zone 'UTC', 'MM-DD HH24:MI'), m.total_signals from public.signal_metrics_summary m
  where m.user_id = who and m.period_type = kind order by 1;
$$;
create function pg_temp.forget() returns void language sql as $$ delete from public.signal_metrics_summary where user_id is not null $$;

select private.open_partitions('2019-03-30', '2019-04-01') \g /dev/null
-- The night on which Europe loses an hour, seen from a session that lives there.
set local timezone = 'Europe/Berlin';
select pg_temp.fire('A', '2019-03-30 23:59:59.999Z') as a \gset
select pg_temp.fire('B', '2019-03-31 00:00:00Z') as b \gset
select pg_temp.fire('C', '2019-03-31 00:59:30Z') as c \gset
select pg_temp.fire('D', '2019-03-31 01:00:00Z') as d \gset
select pg_temp.fire('E', '2019-03-31 23:59:59.999Z') as e \gset
select pg_temp.count('2019-03-30'), pg_temp.count('2019-03-31'), pg_temp.count('2019-04-01') \g /dev/null
select results_eq($$ select * from pg_temp.ticks('minute') $$, $$ values ('03-30 23:59', 1::bigint), ('03-31 00:00', 1),
  ('03-31 00:59', 1), ('03-31 01:00', 1), ('03-31 23:59', 1) $$, 'minutes are of UTC, whatever the session''s zone is');
select results_eq($$ select * from pg_temp.ticks('hour') $$, $$ values ('03-30 23:00', 1::bigint), ('03-31 00:00', 2),
  ('03-31 01:00', 1), ('03-31 23:00', 1) $$, 'so are hours');
select results_eq($$ select * from pg_temp.ticks('day') $$, $$ values ('03-30 00:00', 1::bigint), ('03-31 00:00', 4) $$, 'and days');
select is_empty($$ select 1 from public.signal_metrics_summary where period_end - period_start
    <> case period_type when 'minute' then interval '1 minute' when 'hour' then interval '1 hour' else interval '24 hours' end $$,
  'each period has its length, on the day that has 23 hours elsewhere too');
select is_empty($$ select 1 from pg_temp.ticks('day') where start like '04%' $$, 'a day without signals has no summary');
reset timezone;

-- What becomes of them.
select pg_temp.forget() \g /dev/null
select private.move_signal(:'b', s::public.signal_status, timestamptz '2019-03-31 00:00Z' + interval '15 seconds' * place)
from unnest(array['analyzing', 'monitoring', 'ready', 'in_position']) with ordinality w (s, place) \g /dev/null
update public.signals set total_pnl = '12.5' where id = :'b';
select private.move_signal(:'b', 'closed', timestamptz '2019-04-01 07:00Z', 'take_profit') \g /dev/null
select private.move_signal(:'c', 'analyzing', timestamptz '2019-03-31 00:59:40Z') \g /dev/null
select private.move_signal(:'c', 'rejected', timestamptz '2019-03-31 00:59:50Z', 'analysis_failed') \g /dev/null
select private.move_signal(:'d', 'expired', timestamptz '2019-03-31 09:00Z', 'signal_stale') \g /dev/null
-- A machine whose clock is behind by a year.
select private.move_signal(:'e', 'analyzing', timestamptz '2018-03-31 09:00Z') \g /dev/null
select private.move_signal(:'e', 'rejected', timestamptz '2018-03-31 09:01Z', 'low_confidence') \g /dev/null
select pg_temp.count('2019-03-31') \g /dev/null
select results_eq($$ select total_signals, approved_signals, rejected_signals, traded_signals, closed_signals, expired_signals,
    failed_signals, total_pnl, processed_signals from public.signal_metrics_summary
    where user_id = pg_temp.eli() and period_type = 'day' $$,
  $$ values (4::bigint, 1::bigint, 2::bigint, 1::bigint, 1::bigint, 1::bigint, 1::bigint, 12.5, 3::bigint) $$,
  'a day counts what became of its signals, whenever it did');
select is((select avg_processing_time from public.signal_metrics_summary where user_id = pg_temp.eli() and period_type = 'hour'
    and period_start = '2019-03-31 00:00Z'), interval '25 seconds', 'and how long they waited for a verdict');
select is((select avg_processing_time from public.signal_metrics_summary where user_id = pg_temp.eli() and period_type = 'hour'
    and period_start = '2019-03-31 23:00Z'), interval '0', 'a clock that is behind makes no time negative');
select is((select avg_processing_time from public.signal_metrics_summary where user_id = pg_temp.eli() and period_type = 'hour'
    and period_start = '2019-03-31 01:00Z'), null, 'what had no verdict has no such time');
select results_eq($$ select trader_id, sum(generated), sum(successful), sum(executed), sum(winning), sum(pnl)
    from private.trader_changes where id > (select max(id) - 1 from private.trader_changes) group by 1 $$,
  $$ values (pg_temp.eli_trader(), 4::numeric, 1::numeric, 1::numeric, 1::numeric, 12.5) $$, 'the trader gets the same from the same pass');

-- Late rows.
select pg_current_xact_id()::text::bigint as tx \gset
select pg_temp.forget() \g /dev/null
select pg_temp.count('2019-03-31') \g /dev/null
select pg_temp.fire('F', '2019-03-31 00:59:31Z') \g /dev/null
select pg_temp.forget() \g /dev/null
select pg_temp.count('2019-03-31') \g /dev/null
select is((select total from pg_temp.ticks('minute') where start = '03-31 00:59'), 2::bigint, 'a late row changes its own minute');
select pg_temp.count('2019-03-31') \g /dev/null
select is((select total from pg_temp.ticks('minute') where start = '03-31 00:59'), 4::bigint, 'counts are added to what there is');
select pg_temp.count('2019-03-31', :tx + 1) \g /dev/null
select is((select total from pg_temp.ticks('minute') where start = '03-31 00:59'), 4::bigint, 'events of other transactions are not');

-- Keeping.
update private.partition_days set last_write_at = now() - interval '6 days 23 hours', opened_at = now() - interval '20 days' where day = '2019-03-31';
select is(private.drop_summaries(), null, 'the minutes of a day are kept for seven days after its last write');
update private.partition_days set last_write_at = now() - interval '7 days' where day = '2019-03-31';
select cmp_ok(private.drop_summaries(), '>', 0::bigint, 'then they go');
select is((select count(*) from pg_temp.ticks('minute') where start like '03-31%'), 0::bigint, 'all of that day''s');
select is((select count(*) from pg_temp.ticks('hour') where start like '03-31%'), 3::bigint, 'and no hour');
select pg_temp.count('2019-03-31') \g /dev/null
select is((select count(*) from pg_temp.ticks('minute') where start like '03-31%'), 0::bigint, 'what is written later makes no minute that is not whole');
update private.partition_days set last_write_at = now() - interval '400 days', opened_at = now() - interval '500 days' where day = '2019-03-31';
select is((private.run_job('prune') -> 'did' -> 'summaries')::integer > 0, true, 'the job drops the rest in its time');
select is((select count(*) from public.signal_metrics_summary where period_start >= '2019-03-31' and period_start < '2019-04-01'),
  0::bigint, 'hours after 30 days, days after a year');

-- Access.
insert into public.signal_metrics_summary (user_id, period_type, period_start, period_end, total_signals) values
  (pg_temp.ann(), 'day', '2019-05-01', '2019-05-02', 7);
select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select sum(total_signals) from public.signal_metrics_summary'), '7',
  'users read their own summaries');
select results_eq($$ select r || ' ' || left(coalesce(pg_temp.as_role(r, who, 'select sum(total_signals) from public.signal_metrics_summary'), 'nothing'), 7)
    from (values (1, 'authenticated', pg_temp.stranger()::text), (2, 'anon', null), (3, 'signal_worker', 'stage-worker'), (4, 'archivist', null))
      r (place, r, who) order by place $$,
  $$ values ('authenticated nothing'), ('anon 42501 p'), ('signal_worker 42501 p'), ('archivist 42501 p') $$, 'and nobody else''s');

select * from finish();
rollback;
