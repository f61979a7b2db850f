-- A day's age counts from its end, its opening or its last write, whichever came last: no time zone, no summer time and no
-- client's clock moves it, and a backfilled day is not cold at once.
begin;
\ir stage.psql
select plan(24);

create function pg_temp.age_by_hours(wanted date) returns numeric language sql as $$
  select round(extract(epoch from private.day_age(wanted)) / 3600, 3);
$$;
create function pg_temp.today() returns date language sql as $$ select (now() at time zone 'UTC')::date $$;

-- Tiers.
select is(private.day_tier(pg_temp.today()), 'hot', 'today is hot');
select ok(private.day_age(pg_temp.today()) < interval '0', 'and not over');
select is(private.day_age('1999-01-01'), null, 'a day that was never opened has no age');
select is(private.day_tier('1999-01-01'), null, 'and no tier');
select private.open_partition('2019-03-31') \g /dev/null
select is(private.day_tier('2019-03-31'), 'hot', 'a day that was opened just now for a backfill is hot');
update private.partition_days set opened_at = now() - interval '300 days' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'cold', 'opened long ago, it is cold');
select is_empty($$ select * from private.cold_days() where cold_days = '2019-03-31' $$, 'but holds nothing for the archive');
update private.partition_days set last_write_at = now() - interval '1 minute' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'hot', 'a write of a minute ago makes it hot');
update private.partition_days set last_write_at = now() - interval '23 hours 59 minutes' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'hot', 'until 24 hours are over');
update private.partition_days set last_write_at = now() - interval '24 hours' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'warm', 'then it is warm');
update private.partition_days set last_write_at = now() - interval '167 hours 59 minutes' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'warm', 'for the rest of seven days');
update private.partition_days set last_write_at = now() - interval '168 hours' where day = '2019-03-31';
select is(private.day_tier('2019-03-31'), 'cold', 'then cold');
select results_eq($$ select * from private.cold_days() where cold_days = '2019-03-31' $$, $$ values ('2019-03-31'::date) $$,
  'and due for the archive');
update private.partition_days set opened_at = now() - interval '100 days', last_write_at = null where day = pg_temp.today() - 1;
select is(private.day_tier(pg_temp.today() - 1), 'hot', 'yesterday without a write is hot, by its end');

-- Clocks.
create temporary table ages as select 0 as place, pg_temp.age_by_hours('2019-03-31') as age, private.day_tier('2019-03-31') as tier;
set local timezone = 'Europe/Berlin';
insert into ages select 1, pg_temp.age_by_hours('2019-03-31'), private.day_tier('2019-03-31');
set local timezone = 'Pacific/Kiritimati';
insert into ages select 2, pg_temp.age_by_hours('2019-03-31'), private.day_tier('2019-03-31');
set local timezone = 'America/St_Johns';
insert into ages select 3, pg_temp.age_by_hours('2019-03-31'), private.day_tier('2019-03-31');
select is((select count(distinct (age, tier)) from ages), 1::bigint, 'the session''s time zone moves no age');
select is(private.ensure_partitions(), 0, 'nor the days ahead');
select is((select private.open_partition('2019-10-27')), true, 'the day on which summer time ends is opened');
select is(pg_get_expr(relpartbound, oid), format('FOR VALUES FROM (%L) TO (%L)', public.signal_id_floor('2019-10-27 00:00Z'),
    public.signal_id_floor('2019-10-28 00:00Z')), 'with 24 hours of UTC')
  from pg_class where oid = 'partitions.signals_20191027'::regclass;
reset timezone;

-- After days without running.
delete from private.partition_days where day >= pg_temp.today() - 4;
update private.partition_days set day = pg_temp.today() - 5 where day = '2019-10-27';
select is((select min(d.day) from private.partition_days d where d.day > '2019-12-31'), pg_temp.today() - 5, 'nobody opened days for five days');
select throws_ok('select private.ensure_partitions()', '42P07', null, 'the days since then are wanted again');
update private.partition_days set day = pg_temp.today() - 50 where day = pg_temp.today() - 5;
select throws_like('select private.ensure_partitions()',
  format('%%signals_%s%%', to_char(pg_temp.today() - 1, 'YYYYMMDD')), 'after more than a month only yesterday is');

-- Hot indexes.
insert into private.hot_indexes (name, parent, definition) values ('signals_by_symbol', 'signals', '(symbol, id desc)');
select private.open_partition('2019-12-01') \g /dev/null
select is(to_regclass('partitions.signals_by_symbol_20191201') is not null, true, 'a hot day has the indexes of hot days');
select ok(private.warm_day('2019-12-01'), 'it grows warm');
select is(to_regclass('partitions.signals_by_symbol_20191201'), null, 'and has them no more');

select * from finish();
rollback;
