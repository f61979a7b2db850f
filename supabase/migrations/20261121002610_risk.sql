-- Limits of traders and accounts: how much may be held, how much may be lost, how many orders a minute. Checked in the
-- transaction that intends an order, under the account's lock, so that no race and no second bridge gets past them.
-- Losses that reach a limit take the account from active to reducing to halted, whoever trades.

-- Tables --------------------------------------------------------------------------------------------------

-- Null is no limit; the hard caps of private.hard_caps hold always. Amounts are in quote currency.
create table public.risk_limits (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references public.users (id) on delete cascade,
  account_id uuid unique,
  trader_id uuid unique references public.traders (id) on delete cascade,
  max_positions integer,
  max_notional numeric,
  max_symbol_notional numeric,
  max_daily_loss numeric,
  max_drawdown numeric,
  max_orders_per_minute integer,
  -- From this share of a loss limit on an account only reduces; at the whole of it it is halted.
  reduce_at_percent integer not null default 80,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (account_id, user_id) references public.exchange_accounts (id, user_id) on delete cascade,
  constraint "limits are of one account or one trader" check (num_nonnulls(account_id, trader_id) = 1),
  constraint "a limit of positions is 0 to 1000" check (max_positions between 0 and 1000),
  constraint "a limit of notional value is above zero, at most a billion"
    check (max_notional > 0 and max_notional <= 1000000000
      and max_symbol_notional > 0 and max_symbol_notional <= 1000000000),
  constraint "a limit of losses is above zero, at most a billion"
    check (max_daily_loss > 0 and max_daily_loss <= 1000000000 and max_drawdown > 0 and max_drawdown <= 1000000000),
  constraint "a limit of orders is 1 to 600 a minute" check (max_orders_per_minute between 1 and 600),
  constraint "an account reduces from 10 to 100 percent of a loss limit on" check (reduce_at_percent between 10 and 100)
);
create index risk_limits_by_user on public.risk_limits (user_id);
create index risk_limits_by_account on public.risk_limits (account_id, user_id);

create trigger risk_limits_touch before update on public.risk_limits
  for each row execute function private.touch();

-- What an account and a trader won and lost since they are measured, in quote currency: derived from the fills as
-- positions are, and from incomes. A day is a UTC day of the domain's time.
create table public.risk_measures (
  subject_id uuid primary key,
  subject text not null,
  user_id uuid not null references public.users (id) on delete cascade,
  total numeric not null default 0,
  peak numeric not null default 0,
  day date not null,
  day_start numeric not null default 0,
  updated_at timestamptz not null default now(),
  constraint "a subject is an account or a trader" check (subject in ('account', 'trader'))
);
create index risk_measures_by_user on public.risk_measures (user_id);

-- Functions: measures ---------------------------------------------------------------------------------------

-- Add what was won or lost. In order of id, as all functions lock.
create function private.add_results(results jsonb, at timestamptz) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  today date := (at at time zone 'UTC')::date;
begin
  insert into public.risk_measures as m (subject_id, subject, user_id, total, peak, day)
  select r.subject_id, r.subject, r.user_id, sum(r.change), greatest(sum(r.change), 0), today
  from jsonb_to_recordset(results) r (subject_id uuid, subject text, user_id uuid, change numeric)
  group by 1, 2, 3
  order by 1
  on conflict (subject_id) do update set
    total = m.total + excluded.total,
    peak = greatest(m.peak, m.total + excluded.total),
    day_start = case when excluded.day > m.day then m.total else m.day_start end,
    day = greatest(m.day, excluded.day), updated_at = now();
end;
$$;

-- What a position won, as the limits see it. What is written off of a long is lost whole in its fills; of a short its
-- fills keep the price that it was sold for as won, so that is taken off, and the same again is lost.
create function private.measured_pnl(p public.positions) returns numeric
language plpgsql immutable
set search_path = ''
as $$
begin
  return p.realized_pnl - case when p.side = 'short' and p.status = 'closed'
    then coalesce(2 * greatest(p.written_off, 0) * p.entry_average, 0) else 0 end;
end;
$$;

create function private.measure_positions() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  results jsonb;
  at timestamptz;
begin
  select jsonb_agg(r.one), max(n.status_at) into results, at
  from new_positions n
  join old_positions o on o.id = n.id and o.realized_pnl <> n.realized_pnl
  cross join lateral (select private.measured_pnl(n) - private.measured_pnl(o) as change) m
  cross join lateral (values
    (jsonb_build_object('subject_id', n.account_id, 'subject', 'account', 'user_id', n.user_id, 'change', m.change)),
    (jsonb_build_object('subject_id', n.trader_id, 'subject', 'trader', 'user_id', n.user_id, 'change', m.change))
  ) r (one);
  if results is not null then
    perform private.add_results(results, at);
  end if;
  return null;
end;
$$;

create trigger positions_measure after update on public.positions
  referencing old table as old_positions new table as new_positions
  for each statement execute function private.measure_positions();

-- From here on losses count anew: a person has looked at those that were.
create function private.measure_anew(subject_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.risk_measures m set peak = m.total, day_start = m.total where m.subject_id = measure_anew.subject_id;
end;
$$;

-- What the open positions of an account or a trader stand to lose at their last prices, all together; zero when they stand
-- to win. Fees of entries count as lost already.
create function private.open_loss(subject_id uuid) returns numeric
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select greatest(coalesce(sum((p.amount - p.written_off) * (p.entry_average - p.mark_price)
      * case p.side when 'long' then 1 else -1 end), 0), 0)
    from (
      select a.* from public.positions a where a.account_id = subject_id and a.status = 'open'
      union all
      select t.* from public.positions t where t.trader_id = subject_id and t.status = 'open'
    ) p
    where p.mark_price is not null);
end;
$$;

-- What was lost on this day, and since the best moment, with what open positions stand to lose; zero when nothing was.
create function private.losses_of(subject_id uuid, at timestamptz, out daily_loss numeric, out drawdown numeric)
language plpgsql stable
set search_path = ''
as $$
declare
  standing numeric := private.open_loss(subject_id);
begin
  select greatest(case when m.day >= (at at time zone 'UTC')::date then m.day_start - m.total else 0 end + standing, 0),
    m.peak - m.total + standing
  into daily_loss, drawdown
  from public.risk_measures m where m.subject_id = losses_of.subject_id;
  daily_loss := coalesce(daily_loss, standing);
  drawdown := coalesce(drawdown, standing);
end;
$$;

-- Functions: refusals ---------------------------------------------------------------------------------------

-- What no owner can lift: the bounds of one account, whatever is set.
create function private.hard_caps() returns public.risk_limits
language plpgsql immutable
set search_path = ''
as $$
declare
  caps public.risk_limits;
begin
  caps.max_positions := 1000;
  caps.max_notional := 1000000000;
  caps.max_orders_per_minute := 600;
  return caps;
end;
$$;

-- What an order is worth, and an entry will be: the price that it was planned at, or the nearest that is known.
create function private.planned_notional(o public.orders) returns numeric
language plpgsql immutable
set search_path = ''
as $$
begin
  return (o.amount - o.filled) * coalesce(o.planned_price, o.price, o.trigger_price, o.stop_loss);
end;
$$;

-- Which of these limits an entry of this worth would pass, as a code and a sentence; nulls when none.
create function private.limit_refusal(noun text, subject_id uuid, limits public.risk_limits, account_id uuid,
  symbol text, notional numeric, at timestamptz, out code text, out message text)
language plpgsql stable
set search_path = ''
as $$
declare
  held record;
  losses record;
  recent integer;
  -- The one or the other, so that the index of each serves: else every position that there ever was would be read.
  of_account uuid := case noun when 'account' then subject_id end;
  of_trader uuid := case noun when 'trader' then subject_id end;
begin
  select count(distinct h.signal_id) as positions, coalesce(sum(h.notional), 0) as notional,
    coalesce(sum(h.notional) filter (where h.normalised_symbol = limit_refusal.symbol), 0) as of_symbol
  into held
  from (
    select p.signal_id, p.normalised_symbol, abs(p.amount - p.written_off) * p.entry_average as notional
    from public.positions p
    where p.status = 'open' and (p.account_id = of_account or p.trader_id = of_trader)
    union all
    select o.signal_id, o.normalised_symbol, private.planned_notional(o)
    from public.orders o
    where o.leg = 'entry' and o.is_live and (o.account_id = of_account or o.trader_id = of_trader)
  ) h;
  if num_nonnulls(limits.max_daily_loss, limits.max_drawdown) > 0 then
    select * into losses from private.losses_of(subject_id, at);
  else
    select 0::numeric as daily_loss, 0::numeric as drawdown into losses;
  end if;
  if limits.max_orders_per_minute is not null then
    -- Legs and closes that the venue places by itself are no orders of ours.
    select count(*) into recent from public.orders o
    where o.account_id = limit_refusal.account_id and o.intended_at > at - interval '1 minute' and o.intended_at <= at
      and o.status <> 'denied' and not o.attached and not o.by_venue and (noun = 'account' or o.trader_id = subject_id);
  end if;

  if held.positions >= limits.max_positions then
    code := 'position_limit';
    message := format('the %s has %s of %s positions', noun, held.positions, limits.max_positions);
  elsif losses.daily_loss >= limits.max_daily_loss then
    code := 'daily_loss_limit';
    message := format('the %s lost %s of %s today', noun, trim_scale(losses.daily_loss), trim_scale(limits.max_daily_loss));
  elsif losses.drawdown >= limits.max_drawdown then
    code := 'drawdown_limit';
    message := format('the %s is %s of %s below its best', noun, trim_scale(losses.drawdown),
      trim_scale(limits.max_drawdown));
  elsif held.notional + notional > limits.max_notional then
    code := 'notional_limit';
    message := format('the %s would hold %s of %s', noun, trim_scale(held.notional + notional),
      trim_scale(limits.max_notional));
  elsif held.of_symbol + notional > limits.max_symbol_notional then
    code := 'symbol_limit';
    message := format('the %s would hold %s of %s in %s', noun, trim_scale(held.of_symbol + notional),
      trim_scale(limits.max_symbol_notional), symbol);
  elsif recent >= limits.max_orders_per_minute then
    code := 'order_rate_limit';
    message := format('the %s gave %s of %s orders in a minute', noun, recent, limits.max_orders_per_minute);
  end if;
end;
$$;

-- Why the limits of account and trader do not allow an entry of this worth now; nulls when they do.
create function private.risk_refusal(account public.exchange_accounts, trader public.traders, symbol text,
  notional numeric, at timestamptz, out code text, out message text)
language plpgsql stable
set search_path = ''
as $$
declare
  bound record;
begin
  for bound in
    select 'account' as noun, account.id as subject_id, private.hard_caps() as limits
    union all
    select 'account', account.id, l from public.risk_limits l
    where l.account_id = account.id and l.user_id = account.user_id
    union all
    select 'trader', trader.id, l from public.risk_limits l
    where l.trader_id = trader.id and l.user_id = trader.user_id
  loop
    select r.code, r.message into code, message
    from private.limit_refusal(bound.noun, bound.subject_id, bound.limits, account.id, symbol, coalesce(notional, 0), at) r;
    exit when code is not null;
  end loop;
end;
$$;

-- Functions: states -----------------------------------------------------------------------------------------

-- Take an account that is locked to the state that its losses ask for. It never goes back by itself.
create function private.enforce_limits(account_id uuid, at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  limits public.risk_limits;
  account public.exchange_accounts;
  losses record;
  daily numeric;
  fall numeric;
  worst numeric;
  why text;
begin
  select l.* into limits from public.risk_limits l
  join public.exchange_accounts a on a.id = l.account_id and a.user_id = l.user_id
  where l.account_id = enforce_limits.account_id and num_nonnulls(l.max_daily_loss, l.max_drawdown) > 0;
  if not found then
    return;
  end if;
  select * into account from public.exchange_accounts a where a.id = enforce_limits.account_id;
  select * into losses from private.losses_of(account.id, at);
  daily := coalesce(100 * losses.daily_loss / limits.max_daily_loss, 0);
  fall := coalesce(100 * losses.drawdown / limits.max_drawdown, 0);
  worst := greatest(daily, fall);
  if worst < limits.reduce_at_percent or account.status = 'halted' or (worst < 100 and account.status <> 'active') then
    return;
  end if;
  why := case when daily >= fall
    then format('lost %s of %s today', trim_scale(losses.daily_loss), trim_scale(limits.max_daily_loss))
    else format('%s of %s below its best', trim_scale(losses.drawdown), trim_scale(limits.max_drawdown)) end;
  perform private.append_account_event(account.id, 'limit_reached', why, jsonb_build_object(
    'daily_loss', trim_scale(losses.daily_loss)::text, 'drawdown', trim_scale(losses.drawdown)::text), at, true);
  perform private.move_account(account.id, case when worst >= 100 then 'halted' else 'reducing' end::public.account_status,
    why, true);
end;
$$;

-- The last prices of what is held, by ccxt's name of a symbol, and by side where the venue would liquidate it.
create function private.record_marks(account_id uuid, marks jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update public.positions p set mark_price = m.price, marked_at = clock_timestamp()
  from (
    select distinct on (item ->> 'symbol') item ->> 'symbol' as symbol, private.decimal(item ->> 'price') as price
    from jsonb_array_elements(marks) with ordinality i (item, index)
    where private.decimal(item ->> 'price') > 0
    order by item ->> 'symbol', index desc
  ) m
  where p.account_id = record_marks.account_id and p.status = 'open' and p.normalised_symbol = m.symbol
    and p.mark_price is distinct from m.price;
  -- What is told without a liquidation price, such as by a price alone, leaves the one that is known.
  update public.positions p set liquidation_price = m.price
  from (
    select distinct on (item ->> 'symbol', item ->> 'side') item ->> 'symbol' as symbol, item ->> 'side' as side,
      case when private.decimal(item ->> 'liquidation_price') > 0 then private.decimal(item ->> 'liquidation_price') end as price
    from jsonb_array_elements(marks) with ordinality i (item, index)
    where item ? 'liquidation_price' and private.decimal(item ->> 'price') > 0
    order by item ->> 'symbol', item ->> 'side', index desc
  ) m
  where p.account_id = record_marks.account_id and p.status = 'open' and p.normalised_symbol = m.symbol
    and p.side::text = m.side and p.liquidation_price is distinct from m.price;
  return (select coalesce(jsonb_agg(jsonb_build_object('kind', 'mark', 'index', i.index - 1, 'code', 'bad_mark',
    'message', 'a mark is a symbol and a price above zero') order by i.index), '[]')
    from jsonb_array_elements(marks) with ordinality i (item, index)
    where not coalesce(i.item ->> 'symbol' <> '' and private.decimal(i.item ->> 'price') > 0, false));
end;
$$;

-- Changed limits are in the trail of their account, and hold at once.
create function private.follow_limits() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  limits public.risk_limits := case when tg_op = 'DELETE' then old else new end;
  account_id uuid;
begin
  account_id := coalesce(limits.account_id, (
    select t.default_exchange_account_id from public.traders t where t.id = limits.trader_id and t.user_id = limits.user_id));
  -- An account that goes takes its limits along.
  if exists (select from public.exchange_accounts a where a.id = account_id) then
    perform private.note_account(account_id, case tg_op when 'DELETE' then 'limits_removed' else 'limits_set' end,
      jsonb_strip_nulls(private.limits_of(limits) || jsonb_build_object('trader_id', limits.trader_id,
        'before', case tg_op when 'UPDATE' then private.limits_of(old) end)));
  end if;
  if tg_op <> 'DELETE' and limits.account_id is not null then
    perform 1 from public.exchange_accounts a where a.id = limits.account_id for no key update;
    perform private.enforce_limits(limits.account_id, clock_timestamp());
  end if;
  return null;
end;
$$;

create trigger risk_limits_follow after insert or update or delete on public.risk_limits
  for each row execute function private.follow_limits();

-- Functions: for the bridge and for people --------------------------------------------------------------------

-- Limits with what was won and lost against those of losses.
create function private.limits_json(limits public.risk_limits) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_build_object('max_positions', limits.max_positions, 'max_notional', limits.max_notional::text,
    'max_symbol_notional', limits.max_symbol_notional::text, 'max_daily_loss', limits.max_daily_loss::text,
    'max_drawdown', limits.max_drawdown::text, 'max_orders_per_minute', limits.max_orders_per_minute,
    'measure', case when num_nonnulls(limits.max_daily_loss, limits.max_drawdown) > 0 then (
      select jsonb_build_object('total', m.total::text, 'peak', m.peak::text, 'day', m.day, 'day_start', m.day_start::text)
      from public.risk_measures m where m.subject_id = coalesce(limits.account_id, limits.trader_id)) end);
end;
$$;

-- State and limits of an account and of the traders of these signals, for the check at the moment of sending. Asked
-- under the account's lock, so that a higher number was read later.
create function private.risk_terms(account_id uuid, signal_ids uuid[]) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('status', a.status, 'permissions', a.permissions,
      'number', nextval('private.terms_numbers'), 'account', (select private.limits_json(l) from public.risk_limits l
        where l.account_id = a.id and l.user_id = a.user_id),
      'traders', coalesce((
        select jsonb_object_agg(t.trader_id, case when l.id is not null then private.limits_json(l) end)
        from (select distinct o.trader_id from public.orders o where o.signal_id = any (signal_ids)) t
        left join public.risk_limits l on l.trader_id = t.trader_id and l.user_id = a.user_id), '{}'))
    from public.exchange_accounts a where a.id = risk_terms.account_id);
end;
$$;

-- Limits without whose they are, as people set them.
create function private.limits_of(limits public.risk_limits) returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return to_jsonb(limits) - array['id', 'user_id', 'account_id', 'trader_id', 'created_at', 'updated_at'];
end;
$$;

-- Set limits of an account or a trader of one's own: those that are named, null lifts one, and all others stay. Answers
-- all of them as they were `before`, null without any, and as they are `after`.
create function private.set_risk_limits(account_id uuid, trader_id uuid, limits jsonb) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  owner uuid;
  wrong text;
  known public.risk_limits;
  wanted public.risk_limits;
  result public.risk_limits;
begin
  if private.caller_machine() is not null then
    raise exception 'machine % cannot set limits: a person does', private.caller_name()
      using errcode = 'insufficient_privilege';
  end if;
  select key into wrong from jsonb_object_keys(limits) key
  where key not in ('max_positions', 'max_notional', 'max_symbol_notional', 'max_daily_loss', 'max_drawdown',
    'max_orders_per_minute', 'reduce_at_percent') limit 1;
  if wrong is not null then
    raise exception 'there is no limit %', wrong using errcode = 'invalid_parameter_value';
  end if;
  -- The account first, as everywhere: two who set limits of it at once do so one after the other.
  select a.user_id into owner from public.exchange_accounts a
  where a.id = set_risk_limits.account_id and (a.user_id = (select auth.uid()) or private.is_operator())
  for no key update;
  if owner is null then
    select t.user_id into owner from public.traders t
    where t.id = set_risk_limits.trader_id and (t.user_id = (select auth.uid()) or private.is_operator())
    for no key update;
  end if;
  if owner is null or num_nonnulls(account_id, trader_id) <> 1 then
    raise exception 'there is no account % and no trader % of yours: name one of them', account_id, trader_id
      using errcode = 'no_data_found';
  end if;
  select l.* into known from public.risk_limits l
  where l.account_id = set_risk_limits.account_id or l.trader_id = set_risk_limits.trader_id;
  wanted := jsonb_populate_record(known, limits);
  insert into public.risk_limits as l (user_id, account_id, trader_id, max_positions, max_notional, max_symbol_notional,
    max_daily_loss, max_drawdown, max_orders_per_minute, reduce_at_percent)
  values (owner, set_risk_limits.account_id, set_risk_limits.trader_id, wanted.max_positions, wanted.max_notional,
    wanted.max_symbol_notional, wanted.max_daily_loss, wanted.max_drawdown, wanted.max_orders_per_minute,
    coalesce(wanted.reduce_at_percent, 80))
  on conflict do nothing
  returning l.* into result;
  if result.id is null then
    update public.risk_limits l set max_positions = wanted.max_positions, max_notional = wanted.max_notional,
      max_symbol_notional = wanted.max_symbol_notional, max_daily_loss = wanted.max_daily_loss,
      max_drawdown = wanted.max_drawdown, max_orders_per_minute = wanted.max_orders_per_minute,
      reduce_at_percent = coalesce(wanted.reduce_at_percent, 80)
    where l.account_id = set_risk_limits.account_id or l.trader_id = set_risk_limits.trader_id
    returning l.* into result;
  end if;
  return jsonb_build_object('before', case when known.id is not null then private.limits_of(known) end,
    'after', private.limits_of(result));
end;
$$;

create function public.set_risk_limits(limits jsonb, account_id uuid default null, trader_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.set_risk_limits(account_id, trader_id, limits);
end;
$$;

-- What of the limits of an account is used now: lost on this UTC day and below its best, both with what open positions
-- stand to lose; positions and notional value held or ordered; orders of the last minute. As the limits count it. No row
-- for an account that is not the caller's.
create function public.risk_use(account_id uuid, at timestamptz default now())
returns table (
  status public.account_status, daily_loss numeric, drawdown numeric, open_loss numeric, positions bigint,
  notional numeric, orders_last_minute bigint, total numeric
)
language plpgsql stable
rows 1
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select a.status, l.daily_loss, l.drawdown, private.open_loss(a.id), h.positions, h.notional, n.orders,
    coalesce((select m.total from public.risk_measures m where m.subject_id = a.id), 0)
  from public.exchange_accounts a
  cross join lateral private.losses_of(a.id, at) l
  cross join lateral (
    select count(distinct x.signal_id) as positions, coalesce(sum(x.notional), 0) as notional
    from (
      select p.signal_id, abs(p.amount - p.written_off) * p.entry_average as notional
      from public.positions p
      where p.account_id = a.id and p.status = 'open'
      union all
      select o.signal_id, private.planned_notional(o)
      from public.orders o
      where o.account_id = a.id and o.leg = 'entry' and o.is_live
    ) x
  ) h
  cross join lateral (
    select count(*) as orders from public.orders o
    where o.account_id = a.id and o.intended_at > at - interval '1 minute' and o.intended_at <= at
      and o.status <> 'denied' and not o.attached and not o.by_venue
  ) n
  where a.id = risk_use.account_id;
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.risk_limits enable row level security;
alter table public.risk_measures enable row level security;

create policy "Users read their limits" on public.risk_limits
  for select to authenticated using (user_id = (select auth.uid()));
create policy "Users remove their limits" on public.risk_limits
  for delete to authenticated using (user_id = (select auth.uid()));
create policy "Users read what they won and lost" on public.risk_measures
  for select to authenticated using (user_id = (select auth.uid()));

grant select, delete on public.risk_limits to authenticated, service_role;
grant select on public.risk_measures to authenticated, service_role;
grant execute on function
  private.set_risk_limits(uuid, uuid, jsonb), public.set_risk_limits(jsonb, uuid, uuid)
  to authenticated, service_role;
grant execute on function
  private.open_loss(uuid), private.losses_of(uuid, timestamptz), private.planned_notional(public.orders),
  public.risk_use(uuid, timestamptz)
  to authenticated, service_role;
