-- Compaction: what is in the archive for good and was never traded leaves a cold day. The rest is copied beside it, and
-- the copy takes its place in one short moment, if nothing changed meanwhile. The only way out for events: the trail
-- refuses every other.

-- Tables --------------------------------------------------------------------------------------------------

-- What left, and what stayed. The seals chain these rows.
create table private.compactions (
  id bigint generated always as identity primary key,
  day date not null,
  compacted_at timestamptz not null default clock_timestamp(),
  -- All that left was written below this transaction, and stands in a verified part of the archive.
  to_tx bigint not null,
  kept_signals bigint not null,
  kept_events bigint not null,
  kept_snapshots bigint not null,
  removed_signals bigint not null,
  removed_events bigint not null,
  removed_snapshots bigint not null
);
create index compactions_day_idx on private.compactions (day, id desc);
alter table private.compactions enable row level security;

create trigger compactions_append_only before update or delete on private.compactions
  for each row execute function private.refuse_to_rewrite();
create trigger compactions_no_truncate before truncate on private.compactions
  for each statement execute function private.refuse_to_rewrite();

-- The copies that wait to take their day's place.
create table private.day_copies (
  day date primary key,
  -- The transaction that made it: who looks at the database as it was before would see the day empty.
  tx xid8 not null,
  to_tx bigint not null,
  kept_signals bigint not null,
  kept_events bigint not null,
  kept_snapshots bigint not null,
  removed_signals bigint not null,
  removed_events bigint not null,
  removed_snapshots bigint not null
);
alter table private.day_copies enable row level security;

-- Functions: what may leave -------------------------------------------------------------------------------

-- Up to which transaction the archive holds this day, by its verified parts of this life of the database; null when it
-- holds nothing.
create function private.archived_to(day date) returns bigint
language sql stable
set search_path = ''
as $$
  select max(f.to_tx) from public.archive_files f
  where f.partition_day = archived_to.day and f.verified_at is not null
    and f.epoch = (private.current_epoch()).system_identifier;
$$;

-- Fills the temporary table leaving with the signals of a day that may leave: they are over, nothing ever traded them, each of
-- their events lies in a part of the archive, and so does their row as it is now. A row changes without an event too
-- (somebody tags it): then its version is younger than the snapshot that its part was written from, and it stays.
create function private.find_leaving(day date) returns void
language plpgsql
set search_path = ''
as $$
begin
  create temporary table leaving (id uuid primary key) on commit drop;
  execute format($find$
    insert into pg_temp.leaving (id)
    with parts as (
      select f.part, min(f.from_tx) as from_tx, max(f.to_tx) as to_tx, min(f.snapshot_xmin) as snapshot_xmin
      from public.archive_files f
      where f.partition_day = $1 and f.verified_at is not null
        and f.epoch = (private.current_epoch()).system_identifier
      group by f.part
    ), first as (
      select p.to_tx, p.snapshot_xmin from parts p where p.from_tx = 0
    ), late as (
      -- The signals with events after the first part. Few: this reads what the index on tx points to.
      select e.signal_id, max(e.tx) as last_tx
      from partitions.%I e
      where e.tx >= (select f.to_tx from first f)
      group by e.signal_id
    )
    select s.id
    from partitions.%I s
    cross join first f
    left join late l on l.signal_id = s.id
    left join parts p on l.last_tx >= p.from_tx and l.last_tx < p.to_tx
    where s.status in ('rejected', 'expired', 'closed')
      and s.position_opened_at is null and s.total_orders_count = 0
      and not s.has_active_orders and not s.has_open_position
      and not exists (select from public.orders o where o.signal_id = s.id)
      and not exists (select from public.positions o where o.signal_id = s.id)
      and not exists (select from public.signal_orders o where o.signal_id = s.id)
      and not exists (select from public.signal_positions o where o.signal_id = s.id)
      and $2 - age(s.xmin) < case when l.signal_id is null then f.snapshot_xmin else p.snapshot_xmin end
    $find$, private.partition_name('signal_events', day), private.partition_name('signals', day))
  using day, pg_current_xact_id()::text::bigint;
end;
$$;

-- Functions: the copy -------------------------------------------------------------------------------------

-- A compacted day takes no new signals: what it held is not here any more to tell a new one from a double.
create function private.refuse_late_signal() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'signal % fired on a day that is compacted', new.id
    using errcode = 'check_violation', hint = 'its signals are in the archive: sigtrail archive query';
end;
$$;

create function private.copy_name(parent text, day date) returns text
language sql immutable
set search_path = ''
as $$
  select private.partition_name(parent, day) || '_copy';
$$;

-- What a day's partition is called once its copy has taken its place, until it is dropped.
create function private.replaced_name(parent text, day date) returns text
language sql immutable
set search_path = ''
as $$
  select private.partition_name(parent, day) || '_old';
$$;

create function private.drop_copy(day date) returns void
language plpgsql
set search_path = ''
as $$
declare
  parent text;
begin
  foreach parent in array array['signals', 'signal_events', 'signal_monitoring_snapshots'] loop
    execute format('drop table if exists partitions.%I', private.copy_name(parent, day));
  end loop;
  delete from private.day_copies c where c.day = drop_copy.day;
end;
$$;

-- Drops what swaps have replaced, in a transaction of its own: nobody waits for that. How many tables.
create function private.drop_replaced() returns bigint
language plpgsql
set search_path = ''
as $$
declare
  replaced text;
  dropped bigint := 0;
begin
  for replaced in
    select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'partitions'::regnamespace and c.relkind = 'r' and not c.relispartition
      and c.relname ~ '^signal.*_[0-9]{8}_old$'
  loop
    execute format('drop table partitions.%I', replaced);
    dropped := dropped + 1;
  end loop;
  return dropped;
end;
$$;

-- Copies what stays of one table of a day. How many rows stay, and how many don't.
create function private.copy_table(parent text, day date, out kept bigint, out removed bigint)
language plpgsql
set search_path = ''
as $$
declare
  child text := private.copy_name(parent, day);
  id_column text := case parent when 'signals' then 'id' else 'signal_id' end;
  columns text := (
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = format('public.%I', parent)::regclass and a.attnum > 0 and not a.attisdropped
      and a.attgenerated = ''
  );
begin
  perform private.make_table_of_day(child, parent, day,
    'including defaults including constraints including generated including indexes');
  execute format(
    'insert into partitions.%I (%s) select %s from partitions.%I d
     where not exists (select from pg_temp.leaving l where l.id = d.%I) order by d.%I',
    child, columns, columns, private.partition_name(parent, day), id_column, id_column);
  get diagnostics kept = row_count;
  execute format('select count(*) from partitions.%I d join pg_temp.leaving l on l.id = d.%I',
    private.partition_name(parent, day), id_column) into removed;
  execute format('analyze partitions.%I', child);
end;
$$;

create function private.make_copy(day date, to_tx bigint) returns void
language plpgsql
set search_path = ''
as $$
declare
  signals record;
  events record;
  snapshots record;
begin
  perform private.drop_copy(day);
  -- Of an earlier compaction, should no job have been here since.
  perform private.drop_replaced();
  -- Before the copy looks: what commits after this look is noted anew, and found.
  delete from private.day_changes c where c.day = make_copy.day;
  perform private.find_leaving(day);
  analyze pg_temp.leaving;
  signals := private.copy_table('signals', day);
  events := private.copy_table('signal_events', day);
  snapshots := private.copy_table('signal_monitoring_snapshots', day);
  drop table pg_temp.leaving;

  execute format('create trigger refuse_late before insert on partitions.%I '
    'for each row execute function private.refuse_late_signal()', private.copy_name('signals', day));
  perform private.watch_tables(array(
    select 'partitions.' || private.copy_name(p, day)
    from unnest(array['signals', 'signal_events', 'signal_monitoring_snapshots']) p
  ), day);
  insert into private.day_copies (day, tx, to_tx, kept_signals, kept_events, kept_snapshots, removed_signals,
    removed_events, removed_snapshots)
  values (day, pg_current_xact_id(), to_tx, signals.kept, events.kept, snapshots.kept, signals.removed,
    events.removed, snapshots.removed);
end;
$$;

-- Functions: the swap -------------------------------------------------------------------------------------

-- Whether somebody looks at the database as it was before this transaction: a copy that it made is empty to them.
create function private.is_looked_back(tx xid8) returns boolean
language plpgsql volatile
set search_path = ''
as $$
begin
  -- Else a transaction sees for ever who was there when it first looked.
  perform pg_stat_clear_snapshot();
  return exists (
    select from pg_catalog.pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type <> 'autovacuum worker'
      and a.backend_xmin is not null
      and pg_current_xact_id()::text::bigint - age(a.backend_xmin) <= tx::text::bigint
  );
end;
$$;

-- Puts the copy of a day in its place. What came of it: compacted; changed, the copy was not true any more and is
-- gone; waiting, there was no moment for it, and the copy waits for the next call.
create function private.swap_copy(day date, patience interval) returns text
language plpgsql
set search_path = ''
as $$
declare
  until timestamptz;
  parents constant text[] := array['signals', 'signal_events', 'signal_monitoring_snapshots'];
  parent text;
  copy private.day_copies;
begin
  select * into copy from private.day_copies c where c.day = swap_copy.day;
  -- Whoever begins to read before this transaction is over looks back behind a copy that it made: soon enough it is
  -- better to end it, and to swap in the next one.
  until := clock_timestamp()
    + case when copy.tx = pg_current_xact_id() then least(patience, interval '1 second') else patience end;
  while private.is_looked_back(copy.tx) loop
    if clock_timestamp() > until then
      return 'waiting';
    end if;
    perform pg_sleep(0.05 + random() * 0.1);
  end loop;
  -- What everyone needs comes last: until then only a vacuum and this day's own readers can be in the way.
  if not private.lock_in_a_moment(
    array(select 'partitions.' || private.copy_name(p, day) from unnest(parents) p)
      || private.tables_of_day(day) || array(select 'public.' || p from unnest(parents) p),
    until - clock_timestamp()
  ) then
    return 'waiting';
  end if;

  -- From here on everyone waits for us. Should a crash undo this, the day is as it was: no need to wait for the
  -- disk as well.
  perform set_config('synchronous_commit', 'off', true);
  if private.is_looked_back(copy.tx) then
    return 'waiting';
  end if;
  if exists (select from private.day_changes c where c.day = swap_copy.day) then
    perform private.drop_copy(day);
    return 'changed';
  end if;
  foreach parent in array parents loop
    execute format('alter table public.%I detach partition partitions.%I', parent,
      private.partition_name(parent, day));
    execute format('alter table partitions.%I rename to %I', private.partition_name(parent, day),
      private.replaced_name(parent, day));
    execute format('alter table partitions.%I rename to %I', private.copy_name(parent, day),
      private.partition_name(parent, day));
    perform private.attach_day(private.partition_name(parent, day), parent, day);
  end loop;
  insert into private.compactions (day, to_tx, kept_signals, kept_events, kept_snapshots, removed_signals,
    removed_events, removed_snapshots)
  values (copy.day, copy.to_tx, copy.kept_signals, copy.kept_events, copy.kept_snapshots, copy.removed_signals,
    copy.removed_events, copy.removed_snapshots);
  delete from private.day_copies c where c.day = swap_copy.day;
  update private.partition_days d set
    compacted_at = clock_timestamp(), warmed_at = coalesce(d.warmed_at, clock_timestamp())
  where d.day = swap_copy.day;
  return 'compacted';
end;
$$;

-- Removes from a day what is in the archive and was never traded, however old the day is: the job asks for cold days
-- only. Answers {day, state, …}: compacted, with what stayed and left; not_archived or not_counted, when the archive or
-- the roll-up has to go first; busy, another call is at it; waiting or changed: call again. The copy of a call that
-- ends with waiting stays, so that the next one, in another transaction, has only to swap. `patience` is how long it
-- waits for a moment in which nobody reads the history.
create function private.compact_day(day date, patience interval default '20 seconds') returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
as $$
declare
  archived bigint := private.archived_to(day);
  book private.partition_days;
  state text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a day is compacted in a transaction that is read committed, not %',
      current_setting('transaction_isolation') using errcode = 'invalid_transaction_state';
  end if;
  -- 'days' as a number: the class of these advisory locks.
  if not pg_try_advisory_xact_lock(7342736, day - date '2000-01-01') then
    return jsonb_build_object('day', day, 'state', 'busy');
  end if;
  select * into book from private.partition_days d where d.day = compact_day.day;
  if not found then
    raise exception 'day % was never opened', day using errcode = 'no_data_found';
  end if;
  if archived is null then
    return jsonb_build_object('day', day, 'state', 'not_archived');
  end if;
  -- What is not counted before it leaves is never counted.
  while archived > (select r.next_tx from private.rollups r where r.name = 'events') loop
    exit when private.count_events() is null;
  end loop;
  if archived > (select r.next_tx from private.rollups r where r.name = 'events') then
    return jsonb_build_object('day', day, 'state', 'not_counted');
  end if;

  if book.warmed_at is null and not exists (select from private.day_copies c where c.day = compact_day.day) then
    -- Its writers wait until this is over. The job never comes here: a cold day was warm before.
    if not private.warm_day(day) then
      return jsonb_build_object('day', day, 'state', 'waiting');
    end if;
  end if;
  if exists (select from private.day_changes c where c.day = compact_day.day)
    or not exists (select from private.day_copies c where c.day = compact_day.day and c.to_tx = archived)
  then
    perform private.make_copy(day, archived);
  end if;
  state := private.swap_copy(day, patience);
  return jsonb_build_object('day', day, 'state', state) || case state
    when 'compacted' then (
      select to_jsonb(c) - 'day' - 'id' from private.compactions c where c.day = compact_day.day order by c.id desc limit 1
    )
    else '{}'
  end;
end;
$$;

-- One step of the job: what was replaced is dropped, else the oldest cold day is compacted that the archive is ahead of,
-- unless this run has been told four times to wait for it.
create function private.compact_days_step() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  done jsonb := private.done_so_far();
  dropped jsonb := private.did('dropped_tables', private.drop_replaced());
  next_day date;
  answer jsonb;
begin
  if dropped is not null then
    return dropped;
  end if;
  select d into next_day
  from private.cold_days() d
  where private.archived_to(d) > coalesce((
      select c.to_tx from private.compactions c where c.day = d order by c.id desc limit 1
    ), 0)
    and coalesce((
      select count(*) from jsonb_array_elements_text(done -> 'waiting') w where w = d::text
    ), 0) < 4
  order by d
  limit 1;
  if next_day is null then
    return null;
  end if;
  answer := private.compact_day(next_day);
  return case answer ->> 'state'
    when 'compacted' then jsonb_build_object(
      'days', jsonb_build_array(next_day), 'removed_signals', answer -> 'removed_signals',
      'removed_events', answer -> 'removed_events', 'kept_signals', answer -> 'kept_signals')
    else jsonb_build_object('waiting', jsonb_build_array(next_day), 'state', answer ->> 'state')
  end;
end;
$$;

select private.enter_job('compaction', '37 * * * *', 'compact_days_step', interval '6 hours',
  'removes from cold days what the archive holds');

-- The interface -------------------------------------------------------------------------------------------

grant execute on function private.compact_day(date, interval) to archivist;
