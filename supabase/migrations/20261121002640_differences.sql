-- What a venue's ledger and our own record say of an account, held together day by day: the change of what is in the
-- wallet, against the fills and incomes of the record, by currency and without any price in between. What is left is a
-- row of its own and an alarm.
--
-- Of futures the wallet counts less what its open positions cost: bought for 100 and held is 100 less, as on spot. Then
-- every fill changes it by what it paid, whether it opens or closes, as in the record.

-- Tables --------------------------------------------------------------------------------------------------

create table public.account_differences (
  account_id uuid not null references public.exchange_accounts (id) on delete cascade,
  user_id uuid not null,
  -- A UTC day of the domain's time.
  day date not null,
  currency text not null,
  -- From the last look of the day before, or the first there ever was, to the last one of this day.
  venue_from numeric not null,
  venue_to numeric not null,
  recorded_from numeric not null,
  recorded_to numeric not null,
  -- So much may be lost in the digits of a venue's numbers.
  rounding numeric not null,
  venue_change numeric generated always as (venue_to - venue_from) stored,
  recorded_change numeric generated always as (recorded_to - recorded_from) stored,
  difference numeric generated always as (
    case when abs(venue_to - venue_from - recorded_to + recorded_from) <= rounding then 0
      else venue_to - venue_from - recorded_to + recorded_from end) stored,
  -- The first of the looks that found the present difference. A fill under way is one for a single look.
  since timestamptz,
  looked_at timestamptz not null,
  primary key (account_id, day, currency),
  constraint "a look finds finite amounts" check (
    abs(venue_from) < 'infinity' and abs(venue_to) < 'infinity' and rounding >= 0 and rounding < 'infinity')
);
create index account_differences_by_user on public.account_differences (user_id, day desc);
create index account_differences_by_day on public.account_differences (day) where since is not null;

-- What was in each wallet at the last look: where a currency begins that was not traded before.
create table private.wallets_seen (
  account_id uuid primary key references public.exchange_accounts (id) on delete cascade,
  balances jsonb not null,
  looked_at timestamptz not null
);
alter table private.wallets_seen enable row level security;

-- What the record says that an account's fills and incomes did to each currency, ever: kept with every fill and income,
-- since summing them anew would take the longer the more an account trades.
create table private.recorded_flows (
  account_id uuid not null references public.exchange_accounts (id) on delete cascade,
  currency text not null,
  amount numeric not null,
  primary key (account_id, currency)
) with (fillfactor = 70);
alter table private.recorded_flows enable row level security;

-- Functions -----------------------------------------------------------------------------------------------

-- Each in its own statement's turn, and in one order: two transactions that fill the same accounts never wait in a circle.
create function private.add_fill_flows() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.recorded_flows as r (account_id, currency, amount)
  select a.account_id, a.currency, sum(a.amount)
  from (
    select x.account_id, c.quote as currency, case x.side when 'buy' then -x.cost else x.cost end as amount
    from added x cross join lateral private.currencies(x.normalised_symbol) c
    union all
    -- A contract that was bought is in no wallet.
    select x.account_id, c.base, case x.side when 'buy' then x.amount else -x.amount end
    from added x cross join lateral private.currencies(x.normalised_symbol) c
    join public.exchange_accounts e on e.id = x.account_id
    where e.market = 'spot'
    union all
    select x.account_id, coalesce(x.fee_currency, c.quote), -x.fee_cost
    from added x cross join lateral private.currencies(x.normalised_symbol) c where x.fee_cost <> 0
  ) a
  group by a.account_id, a.currency
  order by a.account_id, a.currency
  on conflict on constraint recorded_flows_pkey do update set amount = r.amount + excluded.amount;
  return null;
end;
$$;

create function private.add_income_flows() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.recorded_flows as r (account_id, currency, amount)
  select i.account_id, i.currency, sum(i.amount) from added i
  group by i.account_id, i.currency
  order by i.account_id, i.currency
  on conflict on constraint recorded_flows_pkey do update set amount = r.amount + excluded.amount;
  return null;
end;
$$;

-- Neither fills nor incomes are ever changed in what counts here, nor deleted.
create trigger trade_executions_flows after insert on public.trade_executions
  referencing new table as added for each statement execute function private.add_fill_flows();
create trigger account_incomes_flows after insert on public.account_incomes
  referencing new table as added for each statement execute function private.add_income_flows();

-- Take in what the venue says is in the wallet: [{currency, amount, rounding?}], all that is not zero. Answers whether
-- it and the record are of one mind; if not, it is worth a look soon.
create function private.tell_wallet(account_id uuid, fence bigint, balances jsonb, at timestamptz) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  account public.exchange_accounts := private.hold_account(account_id, fence);
  today date := (at at time zone 'UTC')::date;
  seen private.wallets_seen;
  flow record;
  last public.account_differences;
  row public.account_differences;
  settled boolean := true;
begin
  perform private.check_clock(at);
  perform private.check_batch(balances, 'balances');
  if exists (select from jsonb_array_elements(balances) b where not coalesce(b ->> 'currency' <> ''
      and abs(private.decimal(b ->> 'amount')) < 'infinity' and private.decimal(coalesce(b ->> 'rounding', '0')) >= 0, false)) then
    raise exception 'a balance is a currency and an amount' using errcode = 'invalid_parameter_value';
  end if;
  select * into seen from private.wallets_seen w where w.account_id = account.id;

  for flow in
    select f.currency, f.amount as recorded, coalesce(private.decimal(b.item ->> 'amount'), 0) as amount,
      -- Digits that venues cut off: a millionth, of each fill's fee and of what the bridge says.
      0.000001 + coalesce(private.decimal(b.item ->> 'rounding'), 0) as rounding
    from private.recorded_flows f
    left join lateral (
      select item from jsonb_array_elements(balances) item where item ->> 'currency' = f.currency limit 1
    ) b on true
    where f.account_id = account.id
    order by f.currency
  loop
    select * into last from public.account_differences d
    where d.account_id = account.id and d.currency = flow.currency order by d.day desc limit 1;
    row := last;
    row.rounding := greatest(flow.rounding, last.rounding);
    -- A replay that starts again counts its days from its first candle; here they run forwards.
    row.day := greatest(today, last.day);
    if last.day is distinct from row.day then
      row.rounding := greatest(flow.rounding, (select max(private.decimal(b ->> 'rounding'))
        from jsonb_array_elements(seen.balances) b where b ->> 'currency' = flow.currency));
      if last.day is not null then
        row.venue_from := last.venue_to;
        row.recorded_from := last.recorded_to;
      elsif seen.account_id is not null then
        -- It was not traded when the wallet was looked at last.
        row.venue_from := coalesce((select private.decimal(b ->> 'amount') from jsonb_array_elements(seen.balances) b
          where b ->> 'currency' = flow.currency limit 1), 0);
        row.recorded_from := 0;
      else
        row.venue_from := flow.amount;
        row.recorded_from := flow.recorded;
      end if;
    end if;
    insert into public.account_differences as d (account_id, user_id, day, currency, venue_from, venue_to, recorded_from,
      recorded_to, rounding, since, looked_at)
    values (account.id, account.user_id, row.day, flow.currency, row.venue_from, flow.amount, row.recorded_from,
      flow.recorded, row.rounding, null, at)
    on conflict on constraint account_differences_pkey do update set
      venue_to = excluded.venue_to, recorded_to = excluded.recorded_to, rounding = excluded.rounding, looked_at = at
    returning d.* into row;
    if row.difference <> 0 then
      update public.account_differences d
      set since = case when last.day = row.day and abs(last.difference - row.difference) <= row.rounding
        then coalesce(last.since, at) else at end
      where d.account_id = account.id and d.day = row.day and d.currency = row.currency
      returning d.* into row;
      settled := settled and row.since < at;
      if row.since < at and last.looked_at <= last.since then
        perform private.append_account_event(account.id, 'ledger_differs',
          format('the wallet changed by %s %s on %s, and the record by %s', trim_scale(row.venue_change), row.currency, row.day,
            trim_scale(row.recorded_change)),
          jsonb_build_object('day', row.day, 'currency', row.currency, 'difference', trim_scale(row.difference)::text), at, true);
      end if;
    else
      update public.account_differences d set since = null
      where d.account_id = account.id and d.day = row.day and d.currency = row.currency and d.since is not null;
    end if;
  end loop;

  insert into private.wallets_seen as w (account_id, balances, looked_at) values (account.id, balances, at)
  on conflict on constraint wallets_seen_pkey do update set balances = excluded.balances, looked_at = excluded.looked_at;
  return jsonb_build_object('settled', settled);
end;
$$;

create function public.tell_wallet(account_id uuid, fence bigint, balances jsonb, at timestamptz default now()) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.tell_wallet(account_id, fence, balances, at);
end;
$$;

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.account_differences enable row level security;

create policy "Users read how their accounts differ from the venue's ledger" on public.account_differences
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.account_differences to authenticated, service_role;
grant execute on function
  private.tell_wallet(uuid, bigint, jsonb, timestamptz), public.tell_wallet(uuid, bigint, jsonb, timestamptz)
  to trading_bridge;
