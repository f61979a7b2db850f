-- The archive's book: which files hold a cold day, what was in them when they were read back, and up to which
-- transaction. Files are made in parts: what happens to a day after its first part goes into the next.

-- Tables --------------------------------------------------------------------------------------------------

create table public.archive_files (
  id bigint generated always as identity primary key,
  partition_day date not null,
  part integer not null,
  kind text not null,
  -- A kind of a part has several files when one would be too large for an upload.
  number integer not null default 1,
  path text not null unique,
  row_count bigint not null,
  -- Creation events that lie in the rows of their signals, and not among the events.
  creation_count bigint not null default 0,
  byte_count bigint not null,
  file_hash bytea not null,
  content_hash bytea not null,
  -- The part holds every event with from_tx <= tx < to_tx, counted in the life of the database that epoch names.
  from_tx bigint not null,
  to_tx bigint not null,
  epoch text not null,
  -- Whose rows are in the file, for readers that look for one user.
  first_user_id uuid,
  last_user_id uuid,
  -- A version of a row whose xmin is at or above this may be newer than the one in the file.
  snapshot_xmin bigint not null,
  created_at timestamptz not null default now(),
  verified_at timestamptz,

  unique (partition_day, part, kind, number),
  constraint "a file holds signals, events or snapshots" check (kind in ('signals', 'events', 'snapshots')),
  constraint "parts and files are numbered from 1" check (part >= 1 and number >= 1),
  constraint "counts are not negative" check (row_count >= 0 and creation_count >= 0 and byte_count > 0),
  constraint "a part covers transactions in order" check (from_tx >= 0 and to_tx > from_tx),
  constraint "hashes are SHA-256" check (octet_length(file_hash) = 32 and octet_length(content_hash) = 32)
);
comment on table public.archive_files is
  'The Parquet files of cold days. verified_at: when the file was read back from the store and was right.';

-- Functions -----------------------------------------------------------------------------------------------

create trigger archive_files_append_only before update or delete on public.archive_files
  for each row execute function private.refuse_to_rewrite();
create trigger archive_files_no_truncate before truncate on public.archive_files
  for each statement execute function private.refuse_to_rewrite();

-- The cold days that hold events which no part has yet, the oldest first.
create function private.days_to_archive() returns table (day date, parts integer, archived_to_tx bigint)
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  cold_day date;
begin
  for cold_day in select d from private.cold_days() d loop
    select coalesce(max(f.part), 0), coalesce(max(f.to_tx), 0) into parts, archived_to_tx
    from public.archive_files f
    where f.partition_day = cold_day and f.verified_at is not null;
    if exists (
      select from public.signal_events e
      where e.signal_id >= public.signal_id_floor(cold_day::timestamp at time zone 'UTC')
        and e.signal_id < public.signal_id_floor((cold_day + 1)::timestamp at time zone 'UTC')
        and e.tx >= archived_to_tx
    ) then
      day := cold_day;
      return next;
    end if;
  end loop;
end;
$$;

-- Lists the files of one part, all at once. They were read back and were right: from here on the day may be compacted.
create function private.add_archive_files(
  day date, part integer, epoch text, from_tx bigint, to_tx bigint, snapshot_xmin bigint, files jsonb
) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  last_part integer;
  last_tx bigint;
  added integer;
begin
  select coalesce(max(f.part), 0), coalesce(max(f.to_tx) filter (where f.epoch = add_archive_files.epoch), 0)
    into last_part, last_tx
  from public.archive_files f
  where f.partition_day = add_archive_files.day;
  if part <> last_part + 1 then
    raise exception 'part % of % cannot follow part %', part, day, last_part
      using errcode = 'invalid_parameter_value', hint = 'another archiver was faster: read what is listed and go on';
  end if;
  if from_tx <> last_tx then
    raise exception 'part % of % starts at transaction %, but the last part ended at %', part, day, from_tx, last_tx
      using errcode = 'invalid_parameter_value';
  end if;
  -- Else what such a transaction still writes would count as archived, and be lost with the next compaction.
  if to_tx > private.tx_horizon() then
    raise exception 'transactions up to % are not over yet', to_tx using errcode = 'invalid_parameter_value';
  end if;
  insert into public.archive_files (
    partition_day, part, kind, number, path, row_count, creation_count, byte_count, file_hash, content_hash,
    from_tx, to_tx, epoch, first_user_id, last_user_id, snapshot_xmin, verified_at
  )
  select add_archive_files.day, add_archive_files.part, f.kind, f.number, f.path, f.row_count, f.creation_count,
    f.byte_count, decode(f.file_hash, 'hex'), decode(f.content_hash, 'hex'), add_archive_files.from_tx,
    add_archive_files.to_tx, add_archive_files.epoch, f.first_user_id, f.last_user_id,
    add_archive_files.snapshot_xmin, now()
  from jsonb_to_recordset(files) f (
    kind text, number integer, path text, row_count bigint, creation_count bigint, byte_count bigint, file_hash text,
    content_hash text, first_user_id uuid, last_user_id uuid
  );
  get diagnostics added = row_count;
  if added = 0 then
    raise exception 'part % of % has no files', part, day using errcode = 'invalid_parameter_value';
  end if;
  return added;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.archive_files enable row level security;

create policy "The archive reads its book" on public.archive_files for select to archivist using (true);
create policy "The archive reads all signals" on public.signals for select to archivist using (true);
create policy "The archive reads all events" on public.signal_events for select to archivist using (true);
create policy "The archive reads all snapshots" on public.signal_monitoring_snapshots
  for select to archivist using (true);

grant select on public.archive_files to service_role, archivist;
grant select on public.signals, public.signal_events, public.signal_monitoring_snapshots to archivist;
grant execute on function private.days_to_archive(),
  private.add_archive_files(date, integer, text, bigint, bigint, bigint, jsonb) to archivist;
-- A machine that only archives tells of itself as any other.
grant execute on function private.caller_machine(), private.caller_role(), private.caller_name(), private.is_operator(),
  private.register_machine(text, text, text[], text), public.register_machine(text, text, text[], text),
  private.machine_heartbeat(text, jsonb), public.machine_heartbeat(text, jsonb),
  private.flush_broadcasts(), public.flush_broadcasts() to archivist;
