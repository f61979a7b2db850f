-- Days grow old: after a day without a write the indexes that only a hot day needs are dropped, and from then on its
-- changes are noted, so that a compaction can tell whether the copy it made is still true.

-- Tables --------------------------------------------------------------------------------------------------

-- Which transactions changed a day that is no longer hot. One row a transaction: nobody waits for another's.
create table private.day_changes (
  day date not null,
  tx xid8 not null,
  primary key (day, tx)
);
alter table private.day_changes enable row level security;

-- Functions: locks that nobody feels ----------------------------------------------------------------------

-- Takes the strongest lock on these tables, or on none of them within 40 ms: that is how long someone may have to wait
-- behind this, before what is done then. Whether it has them, until the end of the transaction.
create function private.lock_briefly(tables text[]) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  until timestamptz := clock_timestamp() + interval '40 milliseconds';
  usual_timeout text := current_setting('lock_timeout');
  patience integer;
  wanted text;
begin
  foreach wanted in array tables loop
    patience := floor(extract(epoch from until - clock_timestamp()) * 1000);
    if patience < 1 then
      raise exception 'no time left' using errcode = 'lock_not_available';
    end if;
    perform set_config('lock_timeout', patience || 'ms', true);
    execute format('lock table only %s in access exclusive mode', wanted);
  end loop;
  perform set_config('lock_timeout', usual_timeout, true);
  return true;
exception
  when lock_not_available then
    return false;
end;
$$;

-- Whether somebody has sat on one of these tables for a while and will not leave within 40 ms: then nobody else should
-- have to stand in line behind us.
create function private.is_occupied(tables text[]) returns boolean
language plpgsql volatile
set search_path = ''
as $$
begin
  -- Else a transaction sees for ever who was there when it first looked.
  perform pg_stat_clear_snapshot();
  return exists (
    select from pg_catalog.pg_locks l
    join pg_catalog.pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and l.relation = any (tables::regclass[]::oid[])
      and a.xact_start < clock_timestamp() - interval '300 milliseconds'
  );
end;
$$;

-- Locks these tables as soon as there is a moment for it, trying for so long. Whether there was one.
create function private.lock_in_a_moment(tables text[], patience interval default '20 seconds') returns boolean
language plpgsql
set search_path = ''
as $$
declare
  until timestamptz := clock_timestamp() + patience;
begin
  loop
    if not private.is_occupied(tables) and private.lock_briefly(tables) then
      return true;
    end if;
    exit when clock_timestamp() > until;
    -- Not in step with others that try.
    perform pg_sleep(0.05 + random() * 0.2);
  end loop;
  return false;
end;
$$;

-- The three partitions of a day, qualified.
create function private.tables_of_day(day date) returns text[]
language sql immutable
set search_path = ''
as $$
  select array_agg('partitions.' || private.partition_name(parent, day) order by place)
  from unnest(array['signals', 'signal_events', 'signal_monitoring_snapshots']) with ordinality p (parent, place);
$$;

-- Functions: changes of old days --------------------------------------------------------------------------

create function private.note_day_change() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.day_changes (day, tx) values (tg_argv[0]::date, pg_current_xact_id()) on conflict do nothing;
  return null;
end;
$$;

-- Has the changes of these tables of a day noted from now on.
create function private.watch_tables(tables text[], day date) returns void
language plpgsql
set search_path = ''
as $$
declare
  watched text;
begin
  foreach watched in array tables loop
    execute format('create trigger note_change after insert or update or delete on %s '
      'for each row execute function private.note_day_change(%L)', watched, day);
  end loop;
end;
$$;

-- Functions: warming --------------------------------------------------------------------------------------

-- Makes a hot day a warm one. False when it is one already, or somebody reads it for so long that it must wait.
create function private.warm_day(day date) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  tables text[] := private.tables_of_day(day);
  hot private.hot_indexes;
begin
  perform 1 from private.partition_days d where d.day = warm_day.day and d.warmed_at is null for update skip locked;
  if not found or not private.lock_in_a_moment(tables) then
    return false;
  end if;
  for hot in select * from private.hot_indexes loop
    execute format('drop index if exists partitions.%I', private.partition_name(hot.name, day));
  end loop;
  perform private.watch_tables(tables, day);
  update private.partition_days d set warmed_at = now() where d.day = warm_day.day;
  return true;
end;
$$;

-- One step of the job: the oldest day that is due and was not tried yet in this run.
create function private.warm_days_step() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  done jsonb := private.done_so_far();
  next_day date;
begin
  select d.day into next_day
  from private.partition_days d
  where d.warmed_at is null and private.day_tier(d.day) <> 'hot'
    and not coalesce(done -> 'waiting' ? d.day::text, false)
  order by d.day
  limit 1;
  return case
    when next_day is null then null
    when private.warm_day(next_day) then '{"warmed": 1}'
    else jsonb_build_object('waiting', jsonb_build_array(next_day))
  end;
end;
$$;

select private.enter_job('warming', '17 * * * *', 'warm_days_step', interval '3 hours',
  'drops the indexes that only hot days need');
