-- Days are partitions with the same bounds in all three tables, made ahead, opened on demand, and never by default.
begin;
\ir stage.psql
select plan(12);

create temporary table bounds as
select p.relname::text as parent, c.relname::text as child, n.nspname::text as schema,
  pg_get_expr(c.relpartbound, c.oid) as bound
from pg_inherits i
join pg_class p on p.oid = i.inhparent and p.relkind = 'p'
join pg_class c on c.oid = i.inhrelid
join pg_namespace n on n.oid = c.relnamespace
where p.relname in ('signals', 'signal_events', 'signal_monitoring_snapshots');

select is((select count(distinct schema) from bounds where schema = 'partitions'), (select count(distinct schema) from bounds),
  'all partitions are in the schema that nobody reaches');
select is_empty($$ select bound from bounds group by bound having count(*) <> 3 $$, 'each day is in all three tables');
select is_empty($$ select 1 from bounds where bound = 'DEFAULT' $$, 'there is no default partition');
select cmp_ok(private.partition_days_ahead(), '>=', 14, 'at least 14 days are open ahead');
select is((select count(*) from private.partition_days), (select count(*) from bounds where parent = 'signals'),
  'the book of days agrees');

select results_eq($$ select * from private.open_partitions('2019-03-01', '2019-03-02') $$,
  $$ values ('2019-03-01'::date, true), ('2019-03-02', true) $$, 'recorded days are opened');
select results_eq($$ select * from private.open_partitions('2019-03-01', '2019-03-03') $$,
  $$ values ('2019-03-01'::date, false), ('2019-03-02', false), ('2019-03-03', true) $$, 'once');
select is(private.ensure_partitions(), 0, 'nothing is missing ahead');
select throws_like($$ select * from private.open_partitions('2019-03-02', '2019-03-01') $$, 'the first day%must not be after%',
  'days in the wrong order are refused');
select throws_like($$ select * from private.open_partitions('2010-01-01', '2019-03-01') $$, '%are too many%', 'so are years at once');

select is((pg_temp.ingest(jsonb_build_array(
  pg_temp.row(pg_temp.eli_trader(), 'BTCUSDT', '1 minute', '{"triggered_at": "2019-03-01T00:00:00Z"}'),
  pg_temp.row(pg_temp.eli_trader(), 'BTCUSDT', '1 minute', '{"triggered_at": "2019-03-03T23:59:59.999Z"}'),
  pg_temp.row(pg_temp.eli_trader(), 'BTCUSDT', '1 minute', '{"triggered_at": "2019-03-04T00:00:00Z"}')
)) #- '{rejected,0,message}') - 'held_back', '{"inserted": 2, "duplicates": 0, "rejected": [{"code": "outside_partitions", "index": 2}]}',
  'an open day takes its signals from its first millisecond to its last');
select is((select count(*) from pg_trigger t where not t.tgisinternal and t.tgrelid = 'partitions.signal_events_20190301'::regclass
  and t.tgname in ('signal_events_append_only', 'no_truncate')), 2::bigint, 'a new partition is append-only too');

select * from finish();
rollback;
