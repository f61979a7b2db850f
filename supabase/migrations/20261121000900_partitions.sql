-- Days: the three tables of history have one partition a day with the same bounds, made ahead by a job and opened
-- for recorded days by an operator. No default partition: with one, every change of partitions stalls all readers.

-- Tables --------------------------------------------------------------------------------------------------

-- The days that are open. Ingest asks here, so that a day that was closed stays closed.
create table private.partition_days (
  day date primary key,
  opened_at timestamptz not null default now()
);
alter table private.partition_days enable row level security;

-- Functions -----------------------------------------------------------------------------------------------

create function private.partition_name(parent text, day date) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return parent || '_' || to_char(day, 'YYYYMMDD');
end;
$$;

-- Makes one partition: a table like its parent, with a check equal to the bounds so that ATTACH has nothing to scan,
-- and attached under a lock that readers and writers don't feel. The check goes again, the bounds hold instead.
create function private.make_partition(parent text, id_column text, day date, storage text) returns void
language plpgsql
set search_path = ''
as $$
declare
  child text := private.partition_name(parent, day);
  lower_id uuid := public.signal_id_floor(day::timestamp at time zone 'UTC');
  upper_id uuid := public.signal_id_floor((day + 1)::timestamp at time zone 'UTC');
begin
  execute format('create table partitions.%I (like public.%I including defaults including constraints) with (%s)',
    child, parent, storage);
  execute format('alter table partitions.%I enable row level security', child);
  execute format('alter table partitions.%I add constraint within_day check (%I >= %L and %I < %L)',
    child, id_column, lower_id, id_column, upper_id);
  execute format('alter table public.%I attach partition partitions.%I for values from (%L) to (%L)',
    parent, child, lower_id, upper_id);
  execute format('alter table partitions.%I drop constraint within_day', child);
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
        -- Room on each page for the new versions of its rows: status changes stay in place.
        perform private.make_partition('signals', 'id', day,
          'fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1');
        perform private.make_partition('signal_events', 'signal_id', day,
          'autovacuum_vacuum_insert_scale_factor = 0.1');
        perform private.make_partition('signal_monitoring_snapshots', 'signal_id', day,
          'autovacuum_vacuum_insert_scale_factor = 0.1');
        execute format(
          'create trigger no_truncate before truncate on partitions.%I '
          'for each statement execute function private.refuse_to_rewrite()',
          private.partition_name('signal_events', day));
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

-- Keeps the days ahead open: yesterday, for what comes late, to days_ahead days from today. How many it opened.
create function private.ensure_partitions(days_ahead integer default 16) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  today date := (now() at time zone 'UTC')::date;
begin
  return (select count(*) from private.open_partitions(today - 1, today + days_ahead) p where p.opened);
end;
$$;

select private.ensure_partitions();
