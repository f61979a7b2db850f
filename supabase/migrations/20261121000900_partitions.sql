-- Days: the three tables of history have one partition a day with the same bounds, made ahead by a job and opened
-- for recorded days by an operator. No default partition: with one, every change of partitions stalls all readers.

-- Tables --------------------------------------------------------------------------------------------------

-- The book of days. Ingest asks here, so that a day that was closed stays closed; the jobs of the tiers write here how
-- far each day has come.
create table private.partition_days (
  day date primary key,
  opened_at timestamptz not null default now(),
  -- The last event of the day by the database's clock, kept by the roll-up. Null: nothing was ever written.
  last_write_at timestamptz,
  -- When its hot-only indexes were dropped. From then on its changes are noted in private.day_changes.
  warmed_at timestamptz,
  -- When it was last reduced to what was traded. From then on it takes no new signals.
  compacted_at timestamptz,
  -- When its links were last looked through for orphans.
  checked_at timestamptz,
  -- When the shards of its counts were last put together.
  counts_merged_at timestamptz,
  -- When its summaries of each length were dropped. What is written later changes the coarser ones only: a summary is
  -- whole or not there.
  minutes_pruned_at timestamptz,
  hours_pruned_at timestamptz,
  days_pruned_at timestamptz
) with (fillfactor = 70);
alter table private.partition_days enable row level security;

-- When a day's tiers begin, and how long what has no other place is kept. Every length is compared with an age, never
-- taken from a time, so that no time zone and no change to summer time moves it.
create table private.retention (
  only_row boolean primary key default true check (only_row),
  warm_after interval not null default '24 hours' check (warm_after >= '1 hour'),
  cold_after interval not null default '7 days',
  -- Summaries, by the age of their day.
  minutes_kept interval not null default '7 days',
  hours_kept interval not null default '30 days',
  days_kept interval not null default '365 days',
  -- Logs, by their own age.
  runs_kept interval not null default '7 days',
  messages_kept interval not null default '96 hours',
  constraint "a day is warm before it is cold" check (cold_after >= warm_after),
  constraint "the coarser the summary, the longer it is kept" check (minutes_kept <= hours_kept and hours_kept <= days_kept)
);
insert into private.retention default values;
alter table private.retention enable row level security;

-- Indexes that only a hot day needs. Each is made on the partitions themselves: one of the parent could not be dropped
-- from a single day.
create table private.hot_indexes (
  name text primary key,
  parent text not null check (parent in ('signals', 'signal_events', 'signal_monitoring_snapshots')),
  definition text not null
);
comment on column private.hot_indexes.definition is 'What follows "create index … on …": the method, columns and condition.';
alter table private.hot_indexes enable row level security;

-- What went wrong lately, of one user. No new signal has an error, so ingest does not feel it.
insert into private.hot_indexes (name, parent, definition) values
  ('signal_events_errors', 'signal_events', '(user_id, signal_id desc) where error_info is not null');

-- Functions -----------------------------------------------------------------------------------------------

create function private.partition_name(parent text, day date) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return parent || '_' || to_char(day, 'YYYYMMDD');
end;
$$;

-- How old a day is: since its end, its opening or its last write, whichever came last, so that a backfilled day is not
-- cold at once. Below zero for a day that is not over; null for one that was never opened.
create function private.day_age(day date) returns interval
language sql stable
set search_path = ''
as $$
  select now() - greatest((d.day + 1)::timestamp at time zone 'UTC', d.opened_at, d.last_write_at)
  from private.partition_days d
  where d.day = day_age.day;
$$;

-- hot, warm or cold; null for a day that was never opened.
create function private.day_tier(day date) returns text
language sql stable
set search_path = ''
as $$
  select case
    when age.age >= r.cold_after then 'cold'
    when age.age >= r.warm_after then 'warm'
    when age.age is not null then 'hot'
  end
  from private.retention r
  cross join lateral (select private.day_age(day_tier.day) as age) age;
$$;

-- The days that hold something and are old enough for the archive, the oldest first.
create function private.cold_days() returns setof date
language sql stable
set search_path = ''
as $$
  select d.day from private.partition_days d
  where d.last_write_at is not null and private.day_tier(d.day) = 'cold'
  order by d.day;
$$;

-- How a partition is stored. Signals have room on each page for the new versions of their rows: status changes stay in
-- place.
create function private.partition_storage(parent text) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return case parent
    when 'signals' then
      'fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1'
    else 'autovacuum_vacuum_insert_scale_factor = 0.1'
  end;
end;
$$;

-- Makes a table that can become a partition: like its parent, with a check equal to the bounds so that ATTACH has
-- nothing to scan. `parts` is what LIKE takes over.
create function private.make_table_of_day(child text, parent text, day date, parts text) returns void
language plpgsql
set search_path = ''
as $$
declare
  id_column text := case parent when 'signals' then 'id' else 'signal_id' end;
begin
  execute format('create table partitions.%I (like public.%I %s) with (%s)',
    child, parent, parts, private.partition_storage(parent));
  execute format('alter table partitions.%I enable row level security', child);
  execute format('alter table partitions.%I add constraint within_day check (%I >= %L and %I < %L)', child, id_column,
    public.signal_id_floor(day::timestamp at time zone 'UTC'), id_column,
    public.signal_id_floor((day + 1)::timestamp at time zone 'UTC'));
  if parent = 'signal_events' then
    execute format('create trigger no_truncate before truncate on partitions.%I '
      'for each statement execute function private.refuse_to_rewrite()', child);
  end if;
end;
$$;

-- Attaches such a table, under a lock that readers and writers don't feel. The check goes, the bounds hold instead.
create function private.attach_day(child text, parent text, day date) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('alter table public.%I attach partition partitions.%I for values from (%L) to (%L)', parent, child,
    public.signal_id_floor(day::timestamp at time zone 'UTC'),
    public.signal_id_floor((day + 1)::timestamp at time zone 'UTC'));
  execute format('alter table partitions.%I drop constraint within_day', child);
end;
$$;

-- Makes the indexes of a hot day.
create function private.make_hot_indexes(day date) returns void
language plpgsql
set search_path = ''
as $$
declare
  wanted private.hot_indexes;
begin
  for wanted in select * from private.hot_indexes h order by h.name loop
    execute format('create index %I on partitions.%I %s', private.partition_name(wanted.name, day),
      private.partition_name(wanted.parent, day), wanted.definition);
  end loop;
end;
$$;

-- Opens a day in all three tables, or does nothing when it is open. Whoever holds a lock that stands in the way keeps
-- it for at most 100 ms of everyone's time: then this gives way and tries again.
create function private.open_partition(day date) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  tries integer := 0;
  missing boolean;
  parent text;
  usual_timeout text := current_setting('lock_timeout');
begin
  if exists (select from private.partition_days d where d.day = open_partition.day) then
    return false;
  end if;
  if day < date '1970-01-01' or day > date '9999-01-01' then
    raise exception 'a day lies between 1970 and 9999, not %', day using errcode = 'invalid_parameter_value';
  end if;
  while missing is null loop
    tries := tries + 1;
    begin
      perform set_config('lock_timeout', '100ms', true);
      insert into private.partition_days (day) values (open_partition.day) on conflict do nothing;
      missing := found;
      if missing then
        foreach parent in array array['signals', 'signal_events', 'signal_monitoring_snapshots'] loop
          perform private.make_table_of_day(private.partition_name(parent, day), parent, day,
            'including defaults including constraints including generated');
          perform private.attach_day(private.partition_name(parent, day), parent, day);
        end loop;
        perform private.make_hot_indexes(day);
      end if;
      perform set_config('lock_timeout', usual_timeout, true);
    exception
      when lock_not_available then
        if tries >= 50 then
          raise exception 'day % could not be opened: a lock on the history was held for more than % tries', day, tries
            using errcode = 'lock_not_available', hint = 'look for long transactions in pg_stat_activity';
        end if;
        missing := null;
        perform pg_sleep(0.05 + random() * 0.1);
    end;
  end loop;
  return missing;
end;
$$;

-- Opens recorded days, for a backfill or a replay.
create function private.open_partitions(from_day date, to_day date) returns table (day date, opened boolean)
language plpgsql security definer
set search_path = ''
as $$
begin
  if from_day is null or to_day is null or to_day < from_day then
    raise exception 'the first day % must not be after the last %', from_day, to_day
      using errcode = 'invalid_parameter_value';
  end if;
  if to_day - from_day >= 370 then
    raise exception '% days at once are too many, open at most 370 a call', to_day - from_day + 1
      using errcode = 'invalid_parameter_value', hint = 'open them year by year';
  end if;
  for day in select generate_series(from_day, to_day, interval '1 day')::date loop
    opened := private.open_partition(day);
    return next;
  end loop;
end;
$$;

-- Keeps the days ahead open: yesterday, for what comes late, to days_ahead days from today; and when nobody did so for
-- days, the days since then, a month of them at most. How many it opened.
create function private.ensure_partitions(days_ahead integer default 16) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  today date := (now() at time zone 'UTC')::date;
  last_day date := (select max(d.day) from private.partition_days d where d.day < today);
begin
  return (
    select count(*)
    from private.open_partitions(
      case when last_day >= today - 31 then least(last_day + 1, today - 1) else today - 1 end, today + days_ahead
    ) p
    where p.opened
  );
end;
$$;

select private.ensure_partitions();
