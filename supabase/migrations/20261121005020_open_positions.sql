-- What a user holds now, for a page: each open position with the latest price that the database knows of, its
-- protection, and what was warned of. Under the caller's own row level security.

-- Functions -----------------------------------------------------------------------------------------------

-- The caller's own of private.unprotected_positions; everybody's for an operator, who is no user.
create function private.own_unprotected_positions()
returns table (position_id uuid, signal_id uuid, since timestamptz, reason text)
language sql stable security definer
set search_path = ''
as $$
  select u.* from private.unprotected_positions((select auth.uid())) u
  where (select auth.uid()) is not null or private.is_operator();
$$;

-- Money is text. `price` is the latest of what the bridge told (bridge), the watch over its signal saw (watch), and
-- signals of the symbol fired at (signal); `price_at` is when the database learned of it. `stop` and `take` are the
-- orders that protect it, `margin_warning` the last of the account for its symbol since it was opened.
create function public.open_positions()
returns table (
  id uuid, signal_id uuid, signal_name text, trader_id uuid, account_id uuid, symbol text, normalised_symbol text,
  side public.trade_side, amount text, entry_amount text, entry_average text, stop_loss text, initial_stop_loss text,
  take_profit text, trailing_percent text, liquidation_price text, fees text, realized_pnl text, exit_reason text,
  opened_at timestamptz, closes_at timestamptz, price text, price_source text, price_at timestamptz,
  unprotected_since timestamptz, unprotected_reason text, stop jsonb, take jsonb, margin_warning text,
  margin_warned_at timestamptz
)
language plpgsql stable
set search_path = ''
set jit = off
set constraint_exclusion = off
as $$
#variable_conflict use_column
begin
  return query
  select p.id, p.signal_id,
    p.symbol || '-' || ('x' || replace(left(p.signal_id::text, 13), '-', ''))::bit(48)::bigint, p.trader_id, p.account_id, p.symbol,
    p.normalised_symbol, p.side, trim_scale(p.amount - p.written_off)::text, trim_scale(p.entry_amount)::text,
    trim_scale(p.entry_average)::text, p.stop_loss::text, p.initial_stop_loss::text, p.take_profit::text,
    p.trailing_percent::text, p.liquidation_price::text, trim_scale(p.fees)::text, trim_scale(p.realized_pnl)::text,
    p.exit_reason, p.opened_at, p.closes_at, known.price::text, known.source, known.at, u.since, u.reason,
    guards.stop, guards.take, warned.why, warned.at
  from public.positions p
  left join private.own_unprotected_positions() u on u.position_id = p.id
  left join lateral (
    select k.price, k.source, k.at
    from (
      select p.mark_price as price, 'bridge' as source, p.marked_at as at where p.mark_price is not null
      union all
      (
        select n.price, 'watch', n.created_at from public.signal_monitoring_snapshots n
        where n.signal_id = p.signal_id order by n.number desc limit 1
      )
      union all
      (
        select s.initial_price, 'signal', s.created_at from public.signals s
        where s.user_id = p.user_id and s.symbol = p.symbol and s.id >= p.signal_id order by s.id desc limit 1
      )
    ) k
    order by k.at desc nulls last
    limit 1
  ) known on true
  cross join lateral (
    select (array_agg(g.guard order by g.attempt desc) filter (where g.leg = 'stop_loss'))[1] as stop,
      (array_agg(g.guard order by g.attempt desc) filter (where g.leg = 'take_profit'))[1] as take
    from (
      select o.leg, o.attempt, jsonb_build_object('status', o.status, 'amount', trim_scale(o.amount - o.filled)::text,
        'trigger_price', o.trigger_price::text, 'managed_by', o.managed_by) as guard
      from public.orders o
      where o.signal_id = p.signal_id and o.leg in ('stop_loss', 'take_profit') and o.is_live
    ) g
  ) guards
  left join lateral (
    select e.details ->> 'reason' as why, e.created_at as at from public.account_events e
    where e.account_id = p.account_id and e.event_type = 'margin_warning' and e.created_at >= p.created_at
      and e.details ->> 'symbol' = p.normalised_symbol
    order by e.id desc
    limit 1
  ) warned on true
  where p.status = 'open'
  order by p.opened_at desc, p.id;
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function private.own_unprotected_positions(), public.open_positions() to authenticated, service_role;
