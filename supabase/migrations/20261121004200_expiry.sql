-- Expiry: what nobody works on any more is given up, with its reason in the trail, so that a day that grows cold holds
-- only what is over or was traded.

-- How long a signal may stand still in each status, by the database's clock, before the job gives it up. A monitor
-- touches its signals at every look, so that only what nobody looks at grows old.
create table private.stale_limits (
  status public.signal_status primary key,
  give_up_after interval not null check (give_up_after >= '1 minute'),
  outcome_code text not null,
  -- The code must be a reason to be expired.
  ending public.signal_status not null default 'expired' check (ending = 'expired'),
  foreign key (outcome_code, ending) references public.outcome_codes (code, status),
  constraint "only what waits for a machine can be stale" check (status in ('new', 'analyzing', 'monitoring', 'ready'))
);
create index stale_limits_outcome_idx on private.stale_limits (outcome_code, ending);
insert into private.stale_limits (status, give_up_after, outcome_code) values
  ('new', '24 hours', 'signal_stale'), ('analyzing', '24 hours', 'signal_stale'),
  ('monitoring', '24 hours', 'monitoring_timeout'), ('ready', '24 hours', 'signal_stale');
alter table private.stale_limits enable row level security;

-- Gives up to max_rows stale signals up. Never one with an open position or a live order, never one that a machine
-- holds a lease on. Locks are taken or left, so this waits for nobody. How many it gave up.
create function private.expire_stale_signals(max_rows integer default 500) returns integer
language plpgsql security definer
set search_path = ''
set jit = off
as $$
declare
  -- Whatever fired since cannot have stood still for so long.
  youngest constant uuid := public.signal_id_floor(
    now() - (select min(l.give_up_after) from private.stale_limits l));
  queued uuid[];
  stale uuid[];
begin
  perform private.queue_arrivals(public.signal_time(youngest), max_rows);
  queued := array(
    select q.signal_id
    from public.signal_queue q
    join public.signals s on s.id = q.signal_id and s.id < youngest
    join private.stale_limits l on l.status = s.status
    where q.signal_id < youngest and (q.leased_until is null or q.leased_until < now())
      and now() - s.updated_at >= l.give_up_after
      and not s.has_open_position and not s.has_active_orders
      and not exists (select from public.orders o where o.signal_id = s.id and o.is_live)
      and not exists (select from public.positions p where p.signal_id = s.id and p.status = 'open')
    order by q.signal_id
    limit max_rows
    for update of q skip locked
  );
  stale := array(
    select s.id
    from public.signals s
    join private.stale_limits l on l.status = s.status
    where s.id = any (queued) and s.id between queued[1] and queued[cardinality(queued)]
      and now() - s.updated_at >= l.give_up_after and not s.has_open_position and not s.has_active_orders
    order by s.id
    for no key update of s skip locked
  );
  if stale = '{}' then
    return 0;
  end if;

  perform private.describe_change(jsonb_object_agg(t, jsonb_build_object(
    'worker', 'job expiry',
    'event_data', jsonb_build_object('message', 'nobody had worked on it for too long')
  ))) from unnest(stale) t;
  update public.signals s set
    status = 'expired',
    outcome_code = l.outcome_code,
    -- A replay's market may be elsewhere in time: its clock is not known here, and no trail goes back in time.
    status_at = greatest(now(), s.status_at),
    closed_at = greatest(now(), s.status_at),
    updated_at = clock_timestamp()
  from private.stale_limits l
  where s.id = any (stale) and s.id between stale[1] and stale[cardinality(stale)] and l.status = s.status;
  return cardinality(stale);
end;
$$;

create function private.expire_signals_step() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.did('expired', private.expire_stale_signals());
end;
$$;

select private.enter_job('expiry', '*/10 * * * *', 'expire_signals_step', interval '1 hour',
  'gives up signals that nobody works on any more');
