-- A batch that cannot go in at one try (a signal that is recorded, a row that fits no type) is answered row by row all the
-- same, and nothing of the first try is left.
begin;
\ir stage.psql
select plan(16);

create function pg_temp.codes(answer jsonb) returns jsonb language sql as $$
  select jsonb_build_object('inserted', answer -> 'inserted', 'duplicates', answer -> 'duplicates', 'rejected', coalesce(
    (select jsonb_object_agg(r ->> 'index', r ->> 'code') from jsonb_array_elements(answer -> 'rejected') r), '{}'));
$$;
create function pg_temp.mixed() returns jsonb language sql as $$
  select jsonb_build_array(
    pg_temp.row(pg_temp.eli_trader(), 'A'), pg_temp.row(pg_temp.eli_trader(), 'B'),
    pg_temp.row(pg_temp.eli_trader(), 'A', '1 minute', '{"price": "7"}'),
    pg_temp.row(pg_temp.eli_trader(), 'C', '1 minute', '{"price": "cheap"}'), '7'::jsonb,
    pg_temp.row(pg_temp.eli_trader(), 'D', '1 minute', '{"side": "up"}'), pg_temp.row(pg_temp.eli_trader(), 'E'));
$$;
create function pg_temp.trails() returns bigint language sql as $$
  select count(*) from public.signal_events e join public.signals s on s.id = e.signal_id where s.trader_id = pg_temp.eli_trader();
$$;
create function pg_temp.counted() returns numeric language sql as $$
  select coalesce(sum(count), 0) from public.signal_counts where user_id = pg_temp.eli();
$$;

select pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'B'))) \g /dev/null
select is(pg_temp.codes(pg_temp.ingest(pg_temp.mixed())),
  '{"inserted": 2, "duplicates": 2, "rejected": {"3": "bad_row", "4": "bad_row", "5": "bad_row"}}', 'every row is answered');
select is((select initial_price from public.signals where trader_id = pg_temp.eli_trader() and symbol = 'A'), 64000.5,
  'of the same signal twice, the first counts');
select is(pg_temp.trails(), 3::bigint, 'each signal has its event');
select is(pg_temp.counted(), 3::numeric, 'and is counted');
select is((select sum(cardinality(signal_ids)) from private.arrivals), 3::bigint, 'and waits once');
select is(pg_temp.codes(pg_temp.ingest(pg_temp.mixed())),
  '{"inserted": 0, "duplicates": 4, "rejected": {"3": "bad_row", "4": "bad_row", "5": "bad_row"}}', 'sent again nothing goes in');
select is(pg_temp.trails() + pg_temp.counted(), 6::numeric, 'nothing is recorded or counted again');

-- What no text may hold: the row is refused, the others go in.
select is(pg_temp.codes(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.ingest_signals(%L)',
    replace(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'F'), pg_temp.row(pg_temp.eli_trader(), 'G@'),
      pg_temp.row(pg_temp.eli_trader(), 'H', '1 minute', '{"original_signal": {"deep": ["@"]}}'))::text, '@', '\u0000')))::jsonb),
  '{"inserted": 1, "duplicates": 0, "rejected": {"1": "bad_row", "2": "bad_row"}}', 'a zero character costs its row alone');

-- Times at the ends of what a number can hold.
select is(pg_temp.codes(pg_temp.ingest((select jsonb_agg(pg_temp.row(pg_temp.eli_trader(), 'T', '1 minute',
    jsonb_build_object('triggered_at', t)) order by n)
  from unnest(array[9223372036854775807, -9223372036854775808, 253402300799999, 253402300800000, 0, -1, 1e30]) with ordinality x (t, n)))),
  '{"inserted": 0, "duplicates": 0, "rejected": {"0": "outside_partitions", "1": "outside_partitions", "2": "in_future",
    "3": "outside_partitions", "4": "outside_partitions", "5": "outside_partitions", "6": "bad_row"}}', 'no time is too far');

-- A quota and a misfit and a duplicate in one batch.
select is(pg_temp.codes(pg_temp.ingest((select jsonb_agg(pg_temp.row(pg_temp.ann_trader(), 'Q' || n)) from generate_series(1, 99) n)))
  -> 'inserted', '99', 'ninety-nine of a hundred');
select is(pg_temp.codes(pg_temp.ingest(jsonb_build_array(
    pg_temp.row(pg_temp.ann_trader(), 'Q1'), pg_temp.row(pg_temp.ann_trader(), 'R1', '1 minute', '{"price": "x"}'),
    pg_temp.row(pg_temp.ann_trader(), 'R2'), pg_temp.row(pg_temp.ann_trader(), 'R2'),
    pg_temp.row(pg_temp.ann_trader(), 'R3'), pg_temp.row(pg_temp.eli_trader(), 'R4'), pg_temp.row(pg_temp.ann_trader(), 'R3')))),
  '{"inserted": 2, "duplicates": 2, "rejected": {"1": "bad_row", "4": "quota_exceeded", "6": "quota_exceeded"}}', 'the hundredth goes in, the next does not');
select is((select signals from public.usage_daily where user_id = pg_temp.ann() and shard = 0), 100::bigint, 'counted to the last one');

-- An archived day takes no more.
insert into private.partition_days (day, compacted_at) values (private.utc_day(now()), now())
on conflict (day) do update set compacted_at = excluded.compacted_at;
select is(pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'Z', '0 minutes'))) #>> '{rejected,0,message}',
  private.utc_day(now()) || ' is archived and takes no more signals', 'a compacted day is closed');

-- A broken trail is no reason to go round in circles.
update private.partition_days set compacted_at = null;
insert into public.signal_events (signal_id, user_id, occurred_at, number, event_type, location, to_status)
values (public.signal_id(pg_temp.eli_trader(), 'Y', '1m', now() - interval '1 minute'), pg_temp.eli(), now(), 1, 'signal_created',
  'ingest', 'new');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.ingest_signals(%L)',
  jsonb_build_array(pg_temp.row(pg_temp.eli_trader(), 'Y')))), '23505 %signal_events%', 'an event without its signal is an error');
select is((select count(*) from public.signals where symbol = 'Y'), 0::bigint, 'and its signal is not recorded');
select is((select count(*) from private.ingest_requests), 0::bigint, 'a call without a request_id leaves no request');

select * from finish();
rollback;
