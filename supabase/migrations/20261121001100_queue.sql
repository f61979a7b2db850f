-- The work queue: one narrow row for every signal that waits for a role. Statement triggers fill it, claims take from
-- it with a lease and a fencing number. A message over Realtime only says that a look is worth it. New signals wait in
-- front of it, batch by batch: a queue row for each would cost whoever records them a fifth of their time.

-- Tables --------------------------------------------------------------------------------------------------

create table public.signal_queue (
  signal_id uuid primary key,
  stage text not null,
  available_at timestamptz not null,
  leased_until timestamptz,
  leased_by text,
  -- Grows with every claim of any signal: a result that carries an older one comes from a lease that was lost.
  fence bigint not null default 0,
  attempts integer not null default 0,
  -- Whether its analysis is counted in the trader's usage: once a signal, however often it is claimed.
  counted boolean not null default false,
  constraint "a stage is analysis, monitoring or trading" check (stage in ('analysis', 'monitoring', 'trading')),
  constraint "a lease has a holder" check ((leased_until is null) = (leased_by is null))
) with (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0.1
);

create index signal_queue_due_idx on public.signal_queue (stage, available_at, signal_id);
create index signal_queue_leases_idx on public.signal_queue (leased_until) where leased_until is not null;
create index signal_queue_holders_idx on public.signal_queue (leased_by, fence) where leased_until is not null;

create sequence private.work_fences;

-- New signals that nobody asked for yet: one row for all that a statement inserted. A claim turns them into rows of the
-- queue. What ended in the meantime is still named here, and left out then.
create table private.arrivals (
  id bigint generated always as identity primary key,
  -- The bounds of the ids, which are bounds of time.
  first_id uuid not null,
  last_id uuid not null,
  signal_ids uuid[] not null
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
-- Ids don't compress.
alter table private.arrivals alter column signal_ids set storage external;
create index arrivals_first_id_idx on private.arrivals (first_id, id);
alter table private.arrivals enable row level security;

-- Functions -----------------------------------------------------------------------------------------------

create function private.stage_of(status public.signal_status) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return case status when 'new' then 'analysis' when 'monitoring' then 'monitoring' when 'ready' then 'trading' end;
end;
$$;

create function private.queue_new_signals() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  arrived uuid[];
begin
  select array_agg(s.id order by s.id) into arrived from new_signals s where s.status = 'new';
  if arrived is not null then
    insert into private.arrivals (first_id, last_id, signal_ids)
    values (arrived[1], arrived[cardinality(arrived)], arrived);
    perform private.wake('analysis', cardinality(arrived));
  end if;
  return null;
end;
$$;

create trigger signals_queue after insert on public.signals
  referencing new table as new_signals
  for each statement execute function private.queue_new_signals();

-- The first id of the signals that are later than this time. Times that no id can hold count as the nearest that one can.
create function private.first_id_after(moment timestamptz) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return public.signal_id_floor(
    greatest(least(moment, timestamptz '9999-12-31 00:00:00+00'), timestamptz 'epoch' - interval '1 millisecond')
    + interval '1 millisecond');
end;
$$;

-- Turns what arrived into rows of the queue, as far as the next `wanted` signals that are due can be among it. At most
-- some twenty thousand at once: behind a longer backlog the oldest batches come first, not strictly the oldest signals.
create function private.queue_arrivals(at timestamptz, wanted integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  most constant integer := 20000;
  limit_id uuid := private.first_id_after(at);
  reach timestamptz;
  batch record;
  queued integer := 0;
begin
  if not exists (select from private.arrivals a where a.first_id < limit_id) then
    return;
  end if;
  -- When the queue itself has enough, only what is older goes before it.
  select q.available_at into reach
  from public.signal_queue q
  where q.stage = 'analysis' and q.available_at <= at and q.leased_until is null
  order by q.available_at, q.signal_id
  offset wanted - 1 limit 1;
  if found then
    limit_id := least(limit_id, private.first_id_after(reach));
  end if;

  for batch in
    select a.id, a.first_id, a.last_id, a.signal_ids
    from private.arrivals a
    where a.first_id < limit_id
    order by a.first_id, a.id
    for update skip locked
  loop
    insert into public.signal_queue (signal_id, stage, available_at)
    select s.id, 'analysis', s.triggered_at
    from public.signals s
    where s.id = any (batch.signal_ids) and s.id between batch.first_id and batch.last_id and s.status = 'new'
    order by s.id
    on conflict do nothing;
    delete from private.arrivals a where a.id = batch.id;
    queued := queued + cardinality(batch.signal_ids);
    exit when queued >= most;
  end loop;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_queue enable row level security;

create policy "Nobody reads the queue, machines claim from it" on public.signal_queue
  for select to authenticated using (false);

grant select on public.signal_queue to service_role;
