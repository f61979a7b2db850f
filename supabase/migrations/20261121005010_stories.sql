-- Everything about one signal, under the caller's own row level security.

-- Functions -----------------------------------------------------------------------------------------------

-- A row as JSON with its money, and what else must stay exact, as text.
create function private.exact_json(document jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
  exact constant text[] := array[
    'initial_price', 'current_price', 'total_pnl', 'analysis_confidence', 'price', 'volume', 'price_change_1m',
    'price_change_5m', 'confidence', 'amount', 'trigger_price', 'filled', 'cost', 'average', 'fees', 'lot', 'stop_loss',
    'initial_stop_loss', 'take_profit', 'trailing_percent', 'entry_amount', 'entry_average', 'exit_amount',
    'exit_average', 'realized_pnl', 'gross_pnl', 'written_off', 'fee_cost', 'fee_quote', 'base_change', 'quote_change',
    'min_confidence', 'position_size_value', 'stop_loss_value', 'take_profit_value', 'trailing_stop_value',
    'planned_price', 'mark_price', 'liquidation_price', 'entry_slippage', 'exit_slippage'
  ];
begin
  return document || coalesce(
    (select jsonb_object_agg(field, document ->> field) from unnest(exact) field where document ? field), '{}');
end;
$$;

-- Everything about one signal, for a page: {"signal", "trader", "outcome", "events", "snapshots", "orders",
-- "order_events", "positions", "executions"}, each list in order. Null when the caller has no such signal.
create function public.signal_story(signal_id uuid) returns jsonb
language plpgsql stable
set search_path = ''
set jit = off
set plan_cache_mode = force_custom_plan
set constraint_exclusion = off
as $$
declare
  signal public.signals;
begin
  select s.* into signal from public.signals s where s.id = signal_story.signal_id;
  if signal.id is null then
    return null;
  end if;
  return jsonb_build_object(
    'signal', private.exact_json(to_jsonb(signal)) || jsonb_build_object(
      'name', public.human_name(signal),
      'machine', (select m.machine_id from private.machine_names(array[signal.machine_id]) m)),
    'trader', (select private.exact_json(to_jsonb(t)) from public.traders t where t.id = signal.trader_id),
    'outcome', (select o.description from public.outcome_codes o where o.code = signal.outcome_code),
    'events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.number), '[]') from public.signal_events e
      where e.signal_id = signal.id),
    'snapshots', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(n)) order by n.number), '[]')
      from public.signal_monitoring_snapshots n where n.signal_id = signal.id),
    'orders', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(o)) order by o.intended_at, o.leg, o.attempt), '[]')
      from public.orders o where o.signal_id = signal.id),
    'order_events', (
      select coalesce(jsonb_agg(to_jsonb(e) order by e.occurred_at, e.order_id, e.number), '[]')
      from public.orders o join public.order_events e on e.order_id = o.id where o.signal_id = signal.id),
    'positions', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(p)) order by p.opened_at), '[]')
      from public.positions p where p.signal_id = signal.id),
    'executions', (
      select coalesce(jsonb_agg(private.exact_json(to_jsonb(x)) order by x.executed_at, x.venue_trade_id), '[]')
      from public.trade_executions x where x.signal_id = signal.id)
  );
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function public.signal_story(uuid), private.exact_json(jsonb) to authenticated, service_role;
