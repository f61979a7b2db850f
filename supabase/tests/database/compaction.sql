-- Compaction removes what is over, was never traded and lies in a verified part of this life of the database. (What other
-- connections do meanwhile is tried in tests/database.)
begin;
\ir stage.psql
select plan(24);

set local timezone = 'America/St_Johns';
select private.open_partitions('2019-03-31', '2019-04-01') \g /dev/null
-- Nothing of this transaction is below its own id: parts of these tests reach far above it, and so does the roll-up.
update private.rollups set next_tx = 9000000000000000 where name = 'events';
create function pg_temp.list(part integer, to_tx bigint default 9000000000000000, epoch text default null, verified boolean default true)
returns void language sql as $$
  insert into public.archive_files (partition_day, part, kind, path, row_count, byte_count, file_hash, content_hash, from_tx, to_tx,
    epoch, snapshot_xmin, verified_at)
  select '2019-03-31', part, kind, part || kind, 1, 1, sha256(''), sha256(''),
    coalesce((select max(f.to_tx) from public.archive_files f where f.verified_at is not null
      and f.epoch = (private.current_epoch()).system_identifier), 0),
    list.to_tx, coalesce(list.epoch, (private.current_epoch()).system_identifier), list.to_tx, case when verified then now() end
  from unnest(array['signals', 'events', 'snapshots']) kind;
$$;
create function pg_temp.fire(symbol text, at timestamptz, variadic ways text[] default '{}') returns uuid language plpgsql as $$
declare
  signal uuid := public.signal_id(pg_temp.eli_trader(), symbol, '1m', at);
  way text;
begin
  perform pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), symbol, '0', jsonb_build_object('triggered_at', at))));
  foreach way in array ways loop
    perform private.move_signal(signal, split_part(way, ':', 1)::public.signal_status, now(), nullif(split_part(way, ':', 2), ''));
  end loop;
  return signal;
end;
$$;
create function pg_temp.left_of_day() returns text[] language sql as $$
  select array_agg(symbol order by symbol) from public.signals where id >= public.signal_id_floor('2019-03-31 00:00Z')
    and id < public.signal_id_floor('2019-04-01 00:00Z');
$$;
-- Whoever reads the history at that moment, and a slow machine, make it wait: it is called again then.
create function pg_temp.state(wanted date default '2019-03-31') returns text language plpgsql as $$
declare
  state text;
begin
  for attempt in 1 .. 50 loop
    state := private.compact_day(wanted) ->> 'state';
    exit when state not in ('waiting', 'changed', 'busy');
  end loop;
  return state;
end;
$$;
grant execute on function pg_temp.state(date) to archivist;
create function pg_temp.run_compaction() returns jsonb language plpgsql as $$
declare
  did jsonb := '{}';
  step jsonb;
begin
  for attempt in 1 .. 50 loop
    step := private.run_job('compaction') -> 'did';
    did := did || (step - 'waiting' - 'state');
    exit when not step ? 'waiting' or step ? 'days';
  end loop;
  return did;
end;
$$;

select pg_temp.fire('A1', '2019-03-31 00:00Z', 'analyzing', 'rejected:low_confidence') as a \gset
select pg_temp.fire('B2', '2019-03-31 23:59:59.999Z', 'expired:signal_stale') \g /dev/null
select pg_temp.fire('C3', '2019-03-31 12:00Z', 'analyzing', 'monitoring', 'ready', 'in_position', 'closed:take_profit') \g /dev/null
select pg_temp.fire('D4', '2019-03-31 12:00Z', 'analyzing', 'monitoring', 'ready', 'in_position') \g /dev/null
select pg_temp.fire('E5', '2019-03-31 12:00Z', 'analyzing', 'monitoring', 'ready', 'expired:order_rejected') as e \gset
update public.signals set total_orders_count = 1 where id = :'e';
select pg_temp.fire('F6', '2019-03-31 12:00Z') \g /dev/null
select pg_temp.fire('G7', '2019-04-01 00:00Z', 'expired:signal_stale') \g /dev/null
insert into public.signal_monitoring_snapshots (signal_id, user_id, occurred_at, number, action, price) values
  (:'a', pg_temp.eli(), now(), 1, 'continue', 1), (:'e', pg_temp.eli(), now(), 1, 'continue', 1);
create temporary table before as
select (select jsonb_agg(to_jsonb(m) - 'updated_at' order by m) from public.signal_metrics_summary m) as summaries,
  (select jsonb_agg(c order by c) from public.signal_counts c) as counts, (select jsonb_agg(u order by u) from public.usage_daily u) as usage;

-- When it may not.
select is(pg_temp.state(), 'not_archived', 'nothing leaves before it is in the archive');
select pg_temp.list(1, verified => false) \g /dev/null
select is(pg_temp.state(), 'not_archived', 'nor before that was read back');
select pg_temp.list(2, epoch => 'another life') \g /dev/null
select is(pg_temp.state(), 'not_archived', 'the transactions of another life of the database say nothing');
select pg_temp.list(3, 1) \g /dev/null
update private.rollups set next_tx = 0 where name = 'events';
select is(pg_temp.state(), 'compacted', 'a part that holds nothing yet lets nothing go');
update private.rollups set next_tx = 9000000000000000 where name = 'events';
select is(array_length(pg_temp.left_of_day(), 1), 6, 'all are there');
select throws_ok($$ select private.compact_day('1999-01-01') $$, 'P0002', null, 'a day that was never opened is an error');
select is(private.compact_day('2019-04-01'), '{"day": "2019-04-01", "state": "not_archived"}', 'so is a day of which the archive has no file');

-- When it may.
select is_empty($$ select * from private.cold_days() where cold_days = '2019-03-31' $$, 'the job does not think of a backfilled day');
select is(pg_temp.run_compaction(), '{"dropped_tables": 3}', 'and leaves it alone; it drops what was replaced');
select pg_temp.list(4) \g /dev/null
update private.partition_days set last_write_at = now() - interval '8 days', opened_at = now() - interval '9 days' where day = '2019-03-31';
select is(pg_temp.run_compaction() - 'removed_events' - 'kept_signals', '{"days": ["2019-03-31"], "removed_signals": 2, "dropped_tables": 3}',
  'once it is cold, the job removes what was never traded');
select is(pg_temp.left_of_day(), array['C3', 'D4', 'E5', 'F6'], 'traded, open, with orders, not over: these stay');
select is(pg_temp.run_compaction(), '{}', 'there is nothing more to do');
select is((select count(*) from public.signals where symbol = 'G7'), 1::bigint, 'the first moment of the next day is the next day''s');
select results_eq($$ select count(*), count(distinct e.signal_id) from public.signal_events e join public.signals s on s.id = e.signal_id
    where s.symbol in ('C3', 'D4', 'E5', 'F6') $$, $$ values (17::bigint, 4::bigint) $$, 'with all their events');
select results_eq($$ select signal_id from public.signal_monitoring_snapshots where user_id = pg_temp.eli() $$, format('select %L::uuid', :'e'),
  'and all their snapshots');
select results_eq($$ select kept_signals, kept_events, kept_snapshots, removed_signals, removed_events, removed_snapshots
    from private.compactions where day = '2019-03-31' order by id desc limit 1 $$,
  $$ values (4::bigint, 17::bigint, 1::bigint, 2::bigint, 5::bigint, 1::bigint) $$, 'the book says what left');
select results_eq($$ select (select jsonb_agg(to_jsonb(m) - 'updated_at' order by m) from public.signal_metrics_summary m),
    (select jsonb_agg(c order by c) from public.signal_counts c), (select jsonb_agg(u order by u) from public.usage_daily u) $$,
  'select * from before', 'no summary, count or quota has changed');
select throws_ok($$ update private.compactions set removed_signals = 0 where day = '2019-03-31' $$, '42501', null, 'nobody rewrites that');

-- What comes later.
select is(pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'A1', '0', '{"triggered_at": "2019-03-31T00:00:00Z"}')))
  #>> '{rejected,0,code}', 'outside_partitions', 'what left does not come back as something new');
select is(private.partition_days_ahead() >= 14 and (select every from (select bool_and(c ->> 'ok' = 'true') as every
    from jsonb_array_elements(private.health() -> 'checks') c where c ->> 'name' in ('partitions', 'days')) checks), true, 'the doctor is content');

-- Empty days.
select private.open_partition('2019-10-27') \g /dev/null
insert into public.archive_files (partition_day, part, kind, path, row_count, byte_count, file_hash, content_hash, from_tx, to_tx, epoch,
  snapshot_xmin, verified_at)
values ('2019-10-27', 1, 'signals', 'empty', 0, 1, sha256(''), sha256(''), 0, 10, (private.current_epoch()).system_identifier, 10, now());
select is(pg_temp.state('2019-10-27'), 'compacted', 'an empty day is compacted like any other');

-- Who may.
select is(pg_temp.as_role('archivist', null, $$ select pg_temp.state('2019-10-27') $$), 'compacted', 'the archive''s role may compact');
select results_eq($$ select left(pg_temp.as_role(r, who, 'select private.compact_day(''2019-10-27'')'), 5) from (values
    ('authenticated', pg_temp.eli()::text), ('anon', null), ('service_role', null), ('signal_worker', 'stage-worker'), ('analyst', 'stage-analyst'),
    ('trading_bridge', 'stage-bridge')) r (r, who) $$, $$ select '42501' from generate_series(1, 6) $$, 'nobody else');
select is_empty($$ select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'private' and p.proname in ('run_job', 'begin_job', 'continue_job', 'end_job', 'enter_job', 'warm_day', 'make_copy', 'swap_copy',
      'drop_copy', 'roll_up', 'count_events', 'expire_stale_signals', 'prune_step', 'merge_counts', 'drop_summaries', 'remove_some')
    and exists (select from unnest(array['anon', 'authenticated', 'service_role', 'signal_worker', 'analyst', 'trading_bridge', 'archivist']) r
      where has_function_privilege(r, p.oid, 'execute')) $$, 'the jobs are the database''s own');

select * from finish();
rollback;
