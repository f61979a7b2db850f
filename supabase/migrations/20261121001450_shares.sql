-- Shares: which machine evaluates which symbols. The symbols of a venue's market fall into 64 shares by a hash of their
-- names; machines of the role signals that hear this venue hold them by leases that they renew every few seconds. What two
-- machines evaluate for a moment has the same ids, so nothing here has to be exact: it has to be quick, and to leave no
-- share alone. Who hears another venue holds nothing here: its candles are others, and it may not know the symbols.

-- Tables --------------------------------------------------------------------------------------------------

create table public.signal_shares (
  -- As machines name it; its shares are here from the first of its machines on.
  venue text not null,
  market text not null,
  share smallint not null,
  machine_id text,
  -- Grows with every change of hands: what a machine says under an old number is not heard.
  fence bigint not null default 0,
  leased_until timestamptz,
  -- The close of a candle, Unix milliseconds: up to it everything was evaluated and is in the database.
  evaluated_to bigint,
  taken_at timestamptz,
  primary key (venue, market, share),
  constraint "a venue of shares is a short name" check (venue ~ '^[a-z][a-z0-9_-]{0,31}$'),
  constraint "a market of shares is spot or usdm" check (market in ('spot', 'usdm')),
  constraint "shares are numbered 0 to 63" check (share between 0 and 63),
  constraint "a share has a holder and an end, or neither" check ((machine_id is null) = (leased_until is null)),
  constraint "a mark is a time between 2009 and 2100" check (evaluated_to between 1230940800000 and 4102444800000)
);

-- Who wants shares, and how many it can take: what is fair follows from those that were heard of lately. A machine hears
-- one market of one venue; when it starts on another it is one of that.
create table public.signal_share_machines (
  machine_id text primary key references public.cloud_machines (machine_id) on delete cascade,
  venue text not null,
  market text not null,
  most smallint not null,
  heard_until timestamptz not null,
  constraint "a market of shares is spot or usdm" check (market in ('spot', 'usdm')),
  constraint "a machine takes 0 to 64 shares" check (most between 0 and 64)
);

-- Functions -----------------------------------------------------------------------------------------------

create function private.share_machine() returns text
language plpgsql stable security definer
set search_path = ''
as $$
declare
  machine text := private.caller_machine();
begin
  if machine is null or not exists (
    select from public.cloud_machines m where m.machine_id = machine and 'signals' = any (m.roles)
  ) then
    raise exception 'machine % is not registered with the role signals', coalesce(machine, '(none)')
      using errcode = 'insufficient_privilege', hint = 'call register_machine first';
  end if;
  return machine;
end;
$$;

-- The most shares that a machine holds when all of them are shared out evenly, and none has more than it can take. 64
-- when they can take fewer than there are: then each takes what it can.
create function private.fair_shares(venue text, market text) returns integer
language sql stable
set search_path = ''
as $$
  select coalesce(min(level), 64)
  from generate_series(1, 64) level
  where 64 <= (
    select sum(least(m.most, level)) from public.signal_share_machines m
    where m.venue = fair_shares.venue and m.market = fair_shares.market and m.heard_until >= clock_timestamp()
  );
$$;

create function private.check_share_call(venue text, market text, most integer, shares jsonb, lease_seconds integer)
returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if lease_seconds is null or lease_seconds not between 1 and 3600 then
    raise exception 'a share is leased for 1 to 3600 seconds, not %', coalesce(lease_seconds::text, '(null)')
      using errcode = 'invalid_parameter_value';
  end if;
  if venue is null or venue !~ '^[a-z][a-z0-9_-]{0,31}$' then
    raise exception 'a venue is named by up to 32 small letters and digits, as binance, not %',
      coalesce(left(venue, 40), '(null)') using errcode = 'invalid_parameter_value';
  end if;
  if market is null or market not in ('spot', 'usdm') or most is null or most not between 0 and 64 then
    raise exception 'a machine takes 0 to 64 shares of spot or usdm, not % of %', coalesce(most::text, '(null)'),
      coalesce(market, '(null)') using errcode = 'invalid_parameter_value';
  end if;
  if jsonb_typeof(shares) is distinct from 'array' or jsonb_array_length(shares) > 64 then
    raise exception 'the shares are an array of at most 64' using errcode = 'invalid_parameter_value';
  end if;
end;
$$;

-- Says that this machine lives, keeps its shares and notes how far it is with each ([{share, fence, evaluated_to}]), and
-- takes what is free, up to what is fair. Answers {held: [{share, fence, evaluated_to, taken}], lost: [share],
-- give: [share], free: n}: `lost` are somebody else's or nobody's now, `give` are more than is fair, to be released once
-- everything of them is in the database, `free` is how many nobody holds after this call.
create function private.renew_shares(venue text, market text, most integer, shares jsonb, lease_seconds integer)
returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  machine text := private.share_machine();
  until timestamptz;
  fair integer;
  kept smallint[];
  taken smallint[];
begin
  perform private.check_share_call(venue, market, most, shares, lease_seconds);
  -- One at a time for a market: two machines that look at once would both see the same free shares.
  perform pg_advisory_xact_lock(hashtext('sigtrail shares ' || renew_shares.venue || ' ' || renew_shares.market));
  until := clock_timestamp() + make_interval(secs => lease_seconds);

  insert into public.signal_share_machines as m (machine_id, venue, market, most, heard_until)
  values (machine, renew_shares.venue, renew_shares.market, renew_shares.most, until)
  on conflict on constraint signal_share_machines_pkey do update set
    venue = excluded.venue, market = excluded.market, most = excluded.most, heard_until = excluded.heard_until;
  delete from public.signal_share_machines m
  where m.venue = renew_shares.venue and m.market = renew_shares.market
    and m.heard_until < clock_timestamp() - interval '1 hour';

  insert into public.signal_shares (venue, market, share)
  select renew_shares.venue, renew_shares.market, n from generate_series(0, 63) n
  where not exists (
    select from public.signal_shares s where s.venue = renew_shares.venue and s.market = renew_shares.market
  );

  with said as (
    select (i ->> 'share')::smallint as share, (i ->> 'fence')::bigint as fence, (i ->> 'evaluated_to')::bigint as mark
    from jsonb_array_elements(shares) i
  ), renewed as (
    update public.signal_shares s
    set leased_until = until, evaluated_to = greatest(s.evaluated_to, said.mark)
    from said
    -- Also one that ran out, as long as nobody else took it: nothing was missed.
    where s.venue = renew_shares.venue and s.market = renew_shares.market and s.share = said.share
      and s.fence = said.fence and s.machine_id = machine
    returning s.share
  )
  select coalesce(array_agg(r.share), '{}') into kept from renewed r;

  fair := least(private.fair_shares(renew_shares.venue, renew_shares.market), renew_shares.most);
  with free as (
    select s.share from public.signal_shares s
    where s.venue = renew_shares.venue and s.market = renew_shares.market and s.share <> all (kept)
      and (s.leased_until is null or s.leased_until < clock_timestamp() or s.machine_id = machine)
    -- Those that it had before a restart first; then those that have been alone for longest.
    order by s.machine_id is distinct from machine, s.leased_until nulls first, s.share
    limit greatest(fair - cardinality(kept), 0)
  ), claimed as (
    update public.signal_shares s
    set machine_id = machine, fence = s.fence + 1, leased_until = until, taken_at = clock_timestamp()
    from free
    where s.venue = renew_shares.venue and s.market = renew_shares.market and s.share = free.share
    returning s.share
  )
  select coalesce(array_agg(c.share), '{}') into taken from claimed c;

  -- What a machine had under an older number or of another venue, and does not take again, is nobody's.
  update public.signal_shares s set machine_id = null, leased_until = null
  where s.machine_id = machine
    and not (s.venue = renew_shares.venue and s.market = renew_shares.market and s.share = any (kept || taken));

  return jsonb_build_object(
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('share', s.share, 'fence', s.fence, 'evaluated_to', s.evaluated_to,
        'taken', s.share = any (taken)) order by s.share), '[]')
      from public.signal_shares s
      where s.venue = renew_shares.venue and s.market = renew_shares.market and s.share = any (kept || taken)),
    'lost', (
      select coalesce(jsonb_agg((i ->> 'share')::smallint), '[]') from jsonb_array_elements(shares) i
      where (i ->> 'share')::smallint <> all (kept)),
    'give', (
      select coalesce(jsonb_agg(k.share), '[]') from (
        select k.share from unnest(kept) k (share) order by k.share desc
        limit greatest(cardinality(kept) - fair, 0)) k),
    'free', (
      select count(*) from public.signal_shares s where s.market = renew_shares.market
        and (s.leased_until is null or s.leased_until < clock_timestamp())));
end;
$$;

-- Give shares back ([{share, fence, evaluated_to}]), so that another machine can take them at once. How many were its own.
create function private.release_shares(venue text, market text, shares jsonb) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  machine text := private.share_machine();
  released integer;
begin
  perform private.check_share_call(venue, market, 0, shares, 1);
  update public.signal_shares s
  set machine_id = null, leased_until = null,
    evaluated_to = greatest(s.evaluated_to, (i ->> 'evaluated_to')::bigint)
  from jsonb_array_elements(shares) i
  where s.venue = release_shares.venue and s.market = release_shares.market and s.share = (i ->> 'share')::smallint
    and s.fence = (i ->> 'fence')::bigint and s.machine_id = machine;
  get diagnostics released = row_count;
  return released;
end;
$$;

-- No more of a machine that stops: the others' part grows at once.
create function private.leave_shares() returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  machine text := private.share_machine();
begin
  delete from public.signal_share_machines m where m.machine_id = machine;
end;
$$;

create function public.renew_shares(venue text, market text, most integer, shares jsonb, lease_seconds integer default 9)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.renew_shares(venue, market, most, shares, lease_seconds);
end;
$$;

create function public.release_shares(venue text, market text, shares jsonb) returns integer
language plpgsql
set search_path = ''
as $$
begin
  return private.release_shares(venue, market, shares);
end;
$$;

create function public.leave_shares() returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.leave_shares();
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.signal_shares enable row level security;
alter table public.signal_share_machines enable row level security;

-- Machines hear from the functions below what is theirs; operators read all of it.
create policy "Who oversees the platform reads its shares" on public.signal_shares
  for select to authenticated using ((select private.oversees_platform()));
create policy "Who oversees the platform reads who wants shares" on public.signal_share_machines
  for select to authenticated using ((select private.oversees_platform()));

grant select on public.signal_shares, public.signal_share_machines to authenticated, service_role;
grant execute on function
  private.renew_shares(text, text, integer, jsonb, integer), public.renew_shares(text, text, integer, jsonb, integer),
  private.release_shares(text, text, jsonb), public.release_shares(text, text, jsonb),
  private.leave_shares(), public.leave_shares()
  to signal_worker;
