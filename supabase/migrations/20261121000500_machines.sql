-- The machines that run the roles: each registers under the name in its token, and sends heartbeats.

create table public.cloud_machines (
  id uuid primary key default gen_random_uuid(),
  machine_id text not null unique,
  region text,
  roles text[] not null default '{}',
  version text,
  status text not null default 'starting',
  details jsonb not null default '{}',
  started_at timestamptz not null default now(),
  last_heartbeat_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  constraint "a machine's name is like vyx-63eea370" check (machine_id ~ '^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$'),
  constraint "a machine is starting, running, draining or stopped"
    check (status in ('starting', 'running', 'draining', 'stopped')),
  constraint "a machine runs known roles"
    check (roles <@ array['signals', 'analysis', 'monitoring', 'trading', 'archive'] and cardinality(roles) <= 20),
  constraint "a machine's region and version have at most 100 letters"
    check (length(region) <= 100 and length(version) <= 100),
  constraint "the details of a machine fit in 16 KB, numbers within 1e40"
    check (private.json_fits(details, 16384))
);

-- Functions -----------------------------------------------------------------------------------------------

create function private.register_machine(machine_id text, region text, roles text[], version text) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
  registered uuid;
begin
  if not private.is_operator() and machine_id is distinct from private.caller_machine() then
    raise exception 'the token is of machine %, it cannot register %',
      coalesce(private.caller_machine(), '(none)'), coalesce(machine_id, '(none)')
      using errcode = 'insufficient_privilege';
  end if;
  insert into public.cloud_machines as m (machine_id, region, roles, version)
  values (register_machine.machine_id, register_machine.region, coalesce(register_machine.roles, '{}'),
    register_machine.version)
  on conflict on constraint cloud_machines_machine_id_key do update set
    region = excluded.region, roles = excluded.roles, version = excluded.version, status = 'starting',
    started_at = now(), last_heartbeat_at = now()
  returning m.id into registered;
  return registered;
end;
$$;

-- Refuses a machine that nobody knows: what it took could not be followed.
create function private.check_registered() returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if not private.is_operator() and not exists (
    select from public.cloud_machines m where m.machine_id = private.caller_machine()
  ) then
    raise exception 'machine % is not registered', coalesce(private.caller_machine(), '(none)')
      using errcode = 'insufficient_privilege', hint = 'call register_machine first';
  end if;
end;
$$;

create function private.machine_heartbeat(status text, details jsonb) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.cloud_machines m
  set status = machine_heartbeat.status, details = coalesce(machine_heartbeat.details, '{}'),
    last_heartbeat_at = clock_timestamp()
  where m.machine_id = private.caller_machine();
  if not found then
    raise exception 'machine % is not registered', coalesce(private.caller_machine(), '(none)')
      using errcode = 'insufficient_privilege', hint = 'call register_machine first';
  end if;
end;
$$;

create function public.register_machine(machine_id text, region text, roles text[], version text) returns uuid
language plpgsql
set search_path = ''
as $$
begin
  return private.register_machine(machine_id, region, roles, version);
end;
$$;

create function public.machine_heartbeat(status text, details jsonb default '{}') returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.machine_heartbeat(status, details);
end;
$$;

-- Whether a machine does its work: it says that it runs, and said so within the last minute.
create function private.is_alive(machine public.cloud_machines) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return machine.status <> 'stopped' and machine.last_heartbeat_at >= now() - interval '1 minute';
end;
$$;

create function private.platform_pulse()
returns table (role text, machines bigint, alive bigint, last_heartbeat_at timestamptz)
language plpgsql stable security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select r.role, count(m.id) filter (where m.status <> 'stopped' and m.last_heartbeat_at >= now() - interval '1 day'),
    count(m.id) filter (where private.is_alive(m)), max(m.last_heartbeat_at)
  from unnest(array['signals', 'analysis', 'monitoring', 'trading', 'archive']) with ordinality r (role, place)
  left join public.cloud_machines m on r.role = any (m.roles)
  group by r.role, r.place
  order by r.place;
end;
$$;

-- Whether the platform works, for everybody on it: of each role how many machines there are (that did not stop, and were
-- heard of within a day) and how many of them are alive. No names.
create function public.platform_pulse()
returns table (role text, machines bigint, alive bigint, last_heartbeat_at timestamptz)
language plpgsql stable
set search_path = ''
as $$
begin
  return query select * from private.platform_pulse();
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.cloud_machines enable row level security;

create policy "Machines read themselves" on public.cloud_machines
  for select to signal_worker, analyst, trading_bridge
  using (machine_id = (select private.caller_machine()));
create policy "Who oversees the platform reads its machines" on public.cloud_machines
  for select to authenticated using ((select private.oversees_platform()));

grant select on public.cloud_machines to authenticated, service_role, signal_worker, analyst, trading_bridge;
grant delete on public.cloud_machines to service_role;
grant execute on function private.caller_machine(), private.caller_role(), private.caller_name(),
  private.is_operator() to authenticated, service_role, signal_worker, analyst, trading_bridge;
grant execute on function private.oversees_platform(), private.platform_pulse(), public.platform_pulse()
  to authenticated, service_role;
grant execute on function
  private.register_machine(text, text, text[], text), public.register_machine(text, text, text[], text),
  private.machine_heartbeat(text, jsonb), public.machine_heartbeat(text, jsonb)
  to service_role, signal_worker, analyst, trading_bridge;
