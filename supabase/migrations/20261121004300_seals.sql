-- Seals: what makes the trail tamper-evident. A seal covers the events of one day that were committed since its last
-- one, and the seal before it; a key that the database never sees signs it. Changing what is covered, whoever does
-- it, leaves a chain that no longer fits. What checks the chain runs outside, and trusts nothing that stands here.

-- Tables --------------------------------------------------------------------------------------------------

-- The lives of this database. Transaction ids start anew where a dump is restored: tx_offset is then added to the new
-- ones, so that they go on above all that were sealed.
create table private.epochs (
  number integer primary key,
  system_identifier text not null,
  tx_offset bigint not null default 0,
  began_at timestamptz not null default now()
);
alter table private.epochs enable row level security;

create table public.audit_seals (
  -- One chain for everything, without gaps.
  number bigint primary key,
  kind text not null,
  epoch text not null,
  partition_day date,
  -- The part of an archived day, or the id of a compaction.
  reference bigint,
  from_tx bigint,
  to_tx bigint,
  event_count bigint not null default 0,
  content_hash bytea not null,
  previous_hash bytea,
  sealed_at timestamptz not null,
  key_id text not null,
  signature bytea not null,
  constraint "seals are numbered from 1" check (number >= 1),
  constraint "a seal covers events, an archive, a compaction or a new key"
    check (kind in ('events', 'archive', 'compaction', 'key')),
  constraint "only a new key speaks of no day" check ((kind = 'key') = (partition_day is null)),
  constraint "what is linked is named" check ((kind in ('archive', 'compaction')) = (reference is not null)),
  constraint "a seal of events covers transactions in order"
    check (kind <> 'events' or (from_tx is not null and to_tx > from_tx)),
  constraint "only the first seal follows nothing" check ((number = 1) = (previous_hash is null)),
  constraint "a hash is a SHA-256" check (octet_length(content_hash) = 32 and octet_length(previous_hash) = 32),
  constraint "a signature is Ed25519" check (octet_length(signature) = 64)
);
create unique index audit_seals_of_events on public.audit_seals (partition_day, from_tx) where kind = 'events';
create unique index audit_seals_of_links on public.audit_seals (kind, partition_day, reference)
  where reference is not null;

comment on table public.audit_seals is
  'The chain of seals. What it proves is checked by `sigtrail audit verify`, against keys and copies from outside.';

create trigger audit_seals_append_only before update or delete on public.audit_seals
  for each row execute function private.refuse_to_rewrite();
create trigger audit_seals_no_truncate before truncate on public.audit_seals
  for each statement execute function private.refuse_to_rewrite();

-- What is sealed ------------------------------------------------------------------------------------------

-- The hash of a seal, which the next one carries.
create function private.seal_hash(seal public.audit_seals) returns bytea
language plpgsql immutable
set search_path = ''
as $$
begin
  return sha256(record_send(row(
    'sigtrail seal 1'::text, seal.number, seal.kind, seal.epoch, seal.partition_day, seal.reference, seal.from_tx,
    seal.to_tx, seal.event_count, seal.content_hash, seal.previous_hash, seal.sealed_at, seal.key_id)));
end;
$$;

-- Epochs --------------------------------------------------------------------------------------------------

create function private.system_identifier() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return (select c.system_identifier::text from pg_catalog.pg_control_system() c);
end;
$$;

-- The life that the database is in, and what is added to its transaction ids.
create function private.current_epoch() returns private.epochs
language plpgsql stable
set search_path = ''
as $$
begin
  return (select e from private.epochs e order by e.number desc limit 1);
end;
$$;

insert into private.epochs (number, system_identifier) values (1, private.system_identifier());

-- Transactions below this are over: committed, and then seen by everyone, or gone for good.
create function private.tx_horizon() returns bigint
language plpgsql stable
set search_path = ''
as $$
begin
  return pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (private.current_epoch()).tx_offset;
end;
$$;

-- Begins another epoch where the database woke up in another cluster; nothing happens in the usual one. After an
-- upgrade the transaction ids go on; after a dump was restored they are lifted above all that are in the trail.
-- To be called before the writers come back: what they write earlier bears ids that were sealed already.
create function private.begin_epoch() returns boolean
language plpgsql security definer
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  last private.epochs := private.current_epoch();
  greatest_tx bigint;
  lift bigint := last.tx_offset;
begin
  if last.system_identifier = private.system_identifier() then
    return false;
  end if;
  lock table private.epochs in share row exclusive mode;
  if last.number <> (private.current_epoch()).number then
    return false;
  end if;
  select greatest(coalesce(max(e.tx), 0), (select coalesce(max(s.to_tx), 0) from public.audit_seals s))
    into greatest_tx from public.signal_events e;
  if pg_current_xact_id()::text::bigint + lift <= greatest_tx then
    lift := greatest_tx + 1;
    execute format(
      'alter table only public.signal_events alter column tx set default (pg_current_xact_id()::text::bigint + %s)',
      lift);
    execute format(
      'create or replace function private.current_tx() returns bigint language plpgsql volatile '
      'set search_path = %L as %L', '', format('begin return pg_current_xact_id()::text::bigint + %s; end;', lift));
  end if;
  insert into private.epochs (number, system_identifier, tx_offset)
  values (last.number + 1, private.system_identifier(), lift);
  return true;
end;
$$;

-- Sealing -------------------------------------------------------------------------------------------------

-- Where the seals of this day end: everything below is sealed.
create function private.sealed_to(day date) returns bigint
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce((select max(s.to_tx) from public.audit_seals s where s.kind = 'events' and s.partition_day = day), 0);
end;
$$;

-- The days with events that are committed for good and not sealed.
create function private.unsealed_days() returns setof date
language plpgsql stable security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  open_day date;
  horizon bigint := private.tx_horizon();
begin
  for open_day in select d.day from private.partition_days d order by d.day loop
    if exists (
      select from public.signal_events e
      where e.signal_id >= public.signal_id_floor(open_day::timestamp at time zone 'UTC')
        and e.signal_id < public.signal_id_floor((open_day + 1)::timestamp at time zone 'UTC')
        and e.tx >= private.sealed_to(open_day) and e.tx < horizon
    ) then
      return next open_day;
    end if;
  end loop;
end;
$$;

-- What a seal of these transactions of a day covers: how many events, the hash of their records in order of signal and
-- number, and six bytes of each event by which a broken seal finds the place.
--
-- An event's payload is PostgreSQL's own binary form of a row: the number of columns, then of each its type, its length
-- (-1 for null) and its value, so that no two rows have one form. Texts are UTF-8 whatever the client asks for, numeric
-- and jsonb go by their text. The creation event repeats nothing that the signal's row holds: it covers what of that
-- row never changes. Its record is transaction, number and the hash of the payload: 44 bytes. workers/archive/records.py
-- makes the same bytes.
--
-- The order comes from the subquery, so nothing here may run in parallel; and without its fence (offset 0) the payload
-- would be made anew wherever the record is used.
create function private.sealed_content(
  day date, from_tx bigint, to_tx bigint, out event_count bigint, out content_hash bytea, out marks bytea
)
language plpgsql stable security definer
set search_path = ''
set max_parallel_workers_per_gather = 0
set plan_cache_mode = force_custom_plan
set work_mem = '128MB'
set jit = off
as $$
declare
  least_id uuid := public.signal_id_floor(day::timestamp at time zone 'UTC');
  limit_id uuid := public.signal_id_floor((day + 1)::timestamp at time zone 'UTC');
begin
  -- Of each record the last byte of the transaction, the last one of the number, the first four of the hash.
  select count(*), sha256(coalesce(string_agg(r.record, ''), '')),
    coalesce(string_agg(substr(r.record, 8, 1) || substr(r.record, 12, 5), ''), '')
  into event_count, content_hash, marks
  from (
    select int8send(e.tx) || int4send(e.number) || sha256(record_send(row(
      e.signal_id, e.user_id, e.order_id, e.position_id, e.execution_id, e.occurred_at, e.created_at,
      e.event_type::text, e.location::text, e.from_status::text, e.to_status::text, convert_to(e.worker, 'UTF8'),
      convert_to(e.event_data::text, 'UTF8'), convert_to(e.error_info::text, 'UTF8'),
      s.id, s.user_id, s.trader_id, s.machine_id, s.triggered_at, s.created_at, s.source::text, s.side::text,
      convert_to(s.symbol, 'UTF8'), convert_to(s.normalised_symbol, 'UTF8'), convert_to(s."interval", 'UTF8'),
      s.initial_price::text, convert_to(s.matched_conditions::text, 'UTF8'),
      convert_to(s.original_signal::text, 'UTF8')
    ))) as record
    from public.signal_events e
    left join public.signals s
      on e.number = 1 and s.id = e.signal_id and s.id >= least_id and s.id < limit_id
    where e.signal_id >= least_id and e.signal_id < limit_id
      and e.tx >= sealed_content.from_tx and e.tx < sealed_content.to_tx
    order by e.signal_id, e.number
    offset 0
  ) r;
end;
$$;

-- What the next seal of a day has to sign, or no row when nothing is left. At most about a million events a seal, unless
-- one transaction wrote more: whoever comes late has a bounded piece of work.
create function private.prepare_seal(day date, most bigint default 1000000)
returns table (
  number bigint, epoch text, from_tx bigint, to_tx bigint, event_count bigint, content_hash bytea, marks bytea,
  previous_hash bytea, sealed_at timestamptz
)
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  least_id uuid := public.signal_id_floor(day::timestamp at time zone 'UTC');
  limit_id uuid := public.signal_id_floor((day + 1)::timestamp at time zone 'UTC');
  last public.audit_seals;
  waiting bigint;
begin
  select s.* into last from public.audit_seals s order by s.number desc limit 1;
  number := coalesce(last.number, 0) + 1;
  previous_hash := case when last.number is not null then private.seal_hash(last) end;
  epoch := (private.current_epoch()).system_identifier;
  sealed_at := clock_timestamp();
  from_tx := private.sealed_to(day);
  -- The horizon is read before the events: everything below it is settled in any later snapshot.
  to_tx := private.tx_horizon();
  if to_tx <= from_tx then
    return;
  end if;

  select count(*) into waiting from public.signal_events e
  where e.signal_id >= least_id and e.signal_id < limit_id and e.tx >= from_tx and e.tx < to_tx;
  if waiting = 0 then
    return;
  elsif waiting > most then
    select min(w.tx) + 1 into to_tx from (
      select e.tx, sum(count(*)) over (order by e.tx) as running from public.signal_events e
      where e.signal_id >= least_id and e.signal_id < limit_id and e.tx >= from_tx and e.tx < to_tx
      group by e.tx
    ) w
    where w.running >= most;
  end if;
  select c.* into event_count, content_hash, marks from private.sealed_content(day, from_tx, to_tx) c;
  return next;
end;
$$;

-- What a link of the chain (archived files, a compaction, a new key) follows.
create function private.chain_end(out number bigint, out previous_hash bytea, out epoch text, out sealed_at timestamptz)
language plpgsql security definer
set search_path = ''
as $$
declare
  last public.audit_seals;
begin
  select s.* into last from public.audit_seals s order by s.number desc limit 1;
  number := coalesce(last.number, 0) + 1;
  previous_hash := case when last.number is not null then private.seal_hash(last) end;
  epoch := (private.current_epoch()).system_identifier;
  sealed_at := clock_timestamp();
end;
$$;

-- Parts of archived days that the chain does not hold yet.
create function private.unlinked_parts(only_day date default null)
returns table (day date, part integer, from_tx bigint, to_tx bigint, event_count bigint)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query
  select f.partition_day, f.part, min(f.from_tx), max(f.to_tx),
    coalesce(sum(f.row_count) filter (where f.kind = 'events'), 0)::bigint + sum(f.creation_count)::bigint
  from public.archive_files f
  where (only_day is null or f.partition_day = only_day) and not exists (
    select from public.audit_seals s
    where s.kind = 'archive' and s.partition_day = f.partition_day and s.reference = f.part
  )
  group by f.partition_day, f.part
  having bool_and(f.verified_at is not null)
  order by f.partition_day, f.part;
end;
$$;

-- Compactions that the chain does not hold yet.
create function private.unlinked_compactions(only_day date default null)
returns table (
  id bigint, day date, compacted_at timestamptz, to_tx bigint, kept_signals bigint, kept_events bigint,
  kept_snapshots bigint, removed_signals bigint, removed_events bigint, removed_snapshots bigint
)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query
  select c.id, c.day, c.compacted_at, c.to_tx, c.kept_signals, c.kept_events, c.kept_snapshots, c.removed_signals,
    c.removed_events, c.removed_snapshots
  from private.compactions c
  where (only_day is null or c.day = only_day) and not exists (
    select from public.audit_seals s
    where s.kind = 'compaction' and s.partition_day = c.day and s.reference = c.id
  )
  order by c.id;
end;
$$;

-- Adds a signed seal to the chain, or answers false when somebody else was faster: then it has to be prepared anew.
create function private.add_seal(
  number bigint, kind text, epoch text, partition_day date, reference bigint, from_tx bigint, to_tx bigint,
  event_count bigint, content_hash bytea, previous_hash bytea, sealed_at timestamptz, key_id text, signature bytea
) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  last public.audit_seals;
begin
  lock table public.audit_seals in share row exclusive mode;
  select s.* into last from public.audit_seals s order by s.number desc limit 1;
  if coalesce(last.number, 0) + 1 <> add_seal.number
    or (last.number is not null and private.seal_hash(last) is distinct from add_seal.previous_hash)
    or add_seal.epoch <> (private.current_epoch()).system_identifier
    or (add_seal.kind = 'events' and private.sealed_to(add_seal.partition_day) <> add_seal.from_tx) then
    return false;
  end if;
  if add_seal.kind = 'events' and add_seal.to_tx > private.tx_horizon() then
    raise exception 'transactions up to % are not over yet', add_seal.to_tx using errcode = 'invalid_parameter_value';
  end if;
  insert into public.audit_seals (
    number, kind, epoch, partition_day, reference, from_tx, to_tx, event_count, content_hash, previous_hash,
    sealed_at, key_id, signature
  ) values (
    add_seal.number, add_seal.kind, add_seal.epoch, add_seal.partition_day, add_seal.reference, add_seal.from_tx,
    add_seal.to_tx, add_seal.event_count, add_seal.content_hash, add_seal.previous_hash, add_seal.sealed_at,
    add_seal.key_id, add_seal.signature
  );
  return true;
exception
  when unique_violation then
    return false;
end;
$$;

-- Health --------------------------------------------------------------------------------------------------

-- How far sealing lags behind, for the doctor: a project that was never sealed is told so once it has a day of events.
create function private.check_seals() returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  newest public.audit_seals;
  oldest timestamptz;
  unsealed_day date;
begin
  select s.* into newest from public.audit_seals s order by s.number desc limit 1;
  for unsealed_day in select * from private.unsealed_days() loop
    oldest := least(oldest, (
      select min(e.created_at) from public.signal_events e
      where e.signal_id >= public.signal_id_floor(unsealed_day::timestamp at time zone 'UTC')
        and e.signal_id < public.signal_id_floor((unsealed_day + 1)::timestamp at time zone 'UTC')
        and e.tx >= private.sealed_to(unsealed_day)
    ));
  end loop;
  return private.check_result(
    'seals',
    coalesce(oldest > now() - case when newest.number is null then interval '1 day' else interval '15 minutes' end, true),
    jsonb_build_object('newest', newest.number, 'sealed_at', newest.sealed_at, 'unsealed_since', oldest),
    'events wait for their seal: does a machine run the role archive, and has it SIGTRAIL_SEAL_KEY?'
  );
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.audit_seals enable row level security;

-- Users see nothing of the seals: a seal covers everybody's events, so it proves nothing to one of them alone.
create policy "The archive reads the chain" on public.audit_seals for select to archivist using (true);
create policy "Who oversees the platform reads the chain" on public.audit_seals
  for select to authenticated using ((select private.oversees_platform()));

grant select on public.audit_seals to authenticated, archivist, service_role;
grant execute on function private.begin_epoch(), private.unsealed_days(), private.sealed_content(date, bigint, bigint),
  private.prepare_seal(date, bigint), private.chain_end(), private.unlinked_parts(date),
  private.unlinked_compactions(date),
  private.add_seal(bigint, text, text, date, bigint, bigint, bigint, bigint, bytea, bytea, timestamptz, text, bytea)
  to archivist;
