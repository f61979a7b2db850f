-- The work queue: one narrow row for every signal that waits for a role. Statement triggers fill it, claims take from
-- it with a lease and a fencing number. A message over Realtime only says that a look is worth it.

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
  queued integer;
begin
  insert into public.signal_queue (signal_id, stage, available_at)
  select s.id, 'analysis', s.triggered_at
  from new_signals s
  where s.status = 'new'
  order by s.id;
  get diagnostics queued = row_count;
  perform private.wake('analysis', queued);
  return null;
end;
$$;

create trigger signals_queue after insert on public.signals
  referencing new table as new_signals
  for each statement execute function private.queue_new_signals();

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_queue enable row level security;

create policy "Nobody reads the queue, machines claim from it" on public.signal_queue
  for select to authenticated using (false);

grant select on public.signal_queue to service_role;
