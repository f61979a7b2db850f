-- The archive's book: written by its function alone, part after part, read by the archive and the operator, rewritten
-- by nobody; and the days that wait for the archive.
begin;
\ir stage.psql
select plan(25);

create function pg_temp.file(kind text default 'signals', number integer default 1, more jsonb default '{}')
returns jsonb language sql as $$
  select jsonb_build_object('kind', kind, 'number', number, 'path', 'days/test/' || kind || number || random(),
    'row_count', 3, 'creation_count', 3, 'byte_count', 100, 'file_hash', repeat('ab', 32),
    'content_hash', repeat('cd', 32), 'first_user_id', pg_temp.ann(), 'last_user_id', pg_temp.ann()) || more;
$$;
create function pg_temp.add(day date, part integer, from_tx bigint, to_tx bigint, files jsonb, epoch text default 'e')
returns text language sql as $$
  select pg_temp.as_role('archivist', null, format('select private.add_archive_files(%L, %s, %L, %s, %s, 1, %L)',
    day, part, epoch, from_tx, to_tx, files));
$$;

select is(pg_temp.add('2024-02-01', 1, 0, 50, jsonb_build_array(pg_temp.file(), pg_temp.file('events'))), '2',
  'the archive lists the files of a part');
select is((select count(*)::integer from public.archive_files
    where partition_day = '2024-02-01' and part = 1 and verified_at is not null and octet_length(file_hash) = 32), 2,
  'with their hashes and the time when they were found right');
select matches(pg_temp.add('2024-02-01', 1, 0, 50, jsonb_build_array(pg_temp.file())), '^22023 part 1 of .* cannot follow part 1',
  'a part is listed once');
select matches(pg_temp.add('2024-02-01', 3, 50, 60, jsonb_build_array(pg_temp.file())), '^22023 part 3',
  'no part is left out');
select matches(pg_temp.add('2024-02-01', 2, 40, 60, jsonb_build_array(pg_temp.file())), '^22023 .*the last part ended at 50',
  'a part starts where the last one ended: no event twice');
select matches(pg_temp.add('2024-02-01', 2, 51, 60, jsonb_build_array(pg_temp.file())), '^22023',
  'and none in between is lost');
select matches(pg_temp.add('2024-02-01', 2, 50, 50, jsonb_build_array(pg_temp.file())), '^23514', 'a part covers something');
select matches(pg_temp.add('2024-02-01', 2, 50, private.tx_horizon() + 1, jsonb_build_array(pg_temp.file())),
  '^22023 transactions up to .* are not over yet', 'and only what is over: what may still be written is in no part');
select matches(pg_temp.add('2024-02-01', 2, 50, 60, '[]'), '^22023 .*has no files', 'a part has files');
select matches(pg_temp.add('2024-02-01', 2, 50, 60, jsonb_build_array(pg_temp.file('secrets'))), '^23514',
  'of the three kinds');
select matches(pg_temp.add('2024-02-01', 2, 50, 60, jsonb_build_array(pg_temp.file(more => '{"file_hash": "ab"}'))),
  '^23514', 'with whole hashes');
select is(pg_temp.add('2024-02-01', 2, 50, 60, jsonb_build_array(pg_temp.file())), '1', 'the next part follows');
select is(pg_temp.add('2024-02-01', 3, 0, 10, jsonb_build_array(pg_temp.file()), 'another life'), '1',
  'another life of the database counts its transactions anew');

-- Who may what
select is(pg_temp.as_role('archivist', null, 'select count(*) from public.archive_files where partition_day = ''2024-02-01'''),
  '4', 'the archive reads its book');
select is(pg_temp.as_role('service_role', null, 'select count(*) > 3 from public.archive_files'), 'true', 'so does the operator');
select is((select array_agg(distinct left(pg_temp.as_role(r, pg_temp.ann()::text, 'select count(*) from public.archive_files'), 5))
    from unnest(array['authenticated', 'anon', 'signal_worker', 'analyst', 'trading_bridge']) r), array['42501'],
  'nobody else reads it');
select is((select array_agg(distinct left(pg_temp.as_role(r, pg_temp.ann()::text,
      'select private.add_archive_files(''2024-02-02'', 1, ''e'', 0, 1, 1, ''[]'')'), 5))
    from unnest(array['authenticated', 'anon', 'service_role', 'signal_worker', 'analyst', 'trading_bridge']) r), array['42501'],
  'nobody else lists files');
select is((select array_agg(distinct left(pg_temp.as_role('archivist', null, statement), 5)) from unnest(array[
      'insert into public.archive_files (path) values (''x'')', 'update public.archive_files set path = ''x''',
      'delete from public.archive_files', 'delete from public.signal_events', 'update public.signals set tags = null'
    ]) statement), array['42501'], 'the archive itself changes nothing by hand');
select throws_ok($$ update public.archive_files set path = 'x' $$, '42501', null, 'not even the owner rewrites the book');
select throws_ok($$ truncate public.archive_files $$, '42501', null, 'or empties it');

select lives_ok($$ select pg_temp.make_signal(pg_temp.ann_trader()), pg_temp.make_signal(pg_temp.pia_trader()) $$, 'signals');
select is(pg_temp.as_role('archivist', null, format('select count(distinct user_id) from public.signals
    where user_id in (%L, %L)', pg_temp.ann(), pg_temp.pia())), '2', 'the archive sees everybody''s signals');

-- The days that wait
select private.open_partition('2024-02-03');
select is_empty($$ select * from private.days_to_archive() where day = '2024-02-03' $$, 'an empty day does not wait');
insert into public.signal_events (signal_id, user_id, occurred_at, number, event_type, location, to_status)
values (public.signal_id(pg_temp.ann_trader(), 'X', '1m', '2024-02-03T12:00:00Z'), pg_temp.ann(), now(), 1,
  'signal_created', 'ingest', 'new');
update private.partition_days set last_write_at = now(), opened_at = now() - interval '30 days' where day = '2024-02-03';
select is_empty($$ select * from private.days_to_archive() where day = '2024-02-03' $$,
  'a past day that was written to a moment ago is not cold');
update private.partition_days set last_write_at = now() - interval '8 days' where day = '2024-02-03';
select results_eq($$ select parts, archived_to_tx from private.days_to_archive() where day = '2024-02-03' $$,
  $$ values (0, 0::bigint) $$, 'a cold day with events waits');

select * from finish();
rollback;
