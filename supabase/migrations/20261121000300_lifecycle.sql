-- The law of a signal's life: the statuses, the allowed ways between them with the event that each leaves in the
-- trail, and the reason codes that every end carries.

-- Types ---------------------------------------------------------------------------------------------------

create type public.signal_status as enum (
  'new', 'analyzing', 'rejected', 'monitoring', 'ready', 'in_position', 'closed', 'expired'
);

create type public.signal_event_type as enum (
  -- life
  'signal_created', 'status_changed', 'signal_expired', 'lease_expired',
  -- analysis
  'analysis_started', 'analysis_requested', 'analysis_answered', 'analysis_completed', 'analysis_failed',
  -- monitoring
  'monitoring_update', 'monitoring_action',
  -- trading
  'order_created', 'order_filled', 'order_partially_filled', 'order_canceled',
  'order_rejected', 'order_denied', 'order_unresolved',
  'position_opened', 'position_updated', 'position_closed',
  -- risk
  'stop_loss_triggered', 'take_profit_triggered', 'trailing_stop_updated',
  'protection_confirmed', 'protection_failed'
);

-- Where in the pipeline an event happened.
create type public.pipeline_location as enum (
  'ingest', 'analysis', 'monitoring', 'trading', 'archive', 'operator'
);

-- Tables --------------------------------------------------------------------------------------------------

create table public.status_transitions (
  from_status public.signal_status not null,
  to_status public.signal_status not null,
  event_type public.signal_event_type not null,
  location public.pipeline_location not null,
  meaning text not null,
  primary key (from_status, to_status),
  constraint "a final status has no way out" check (from_status not in ('rejected', 'closed', 'expired'))
);
comment on table public.status_transitions is
  'The allowed changes of a signal''s status, and the event that each leaves. Anything else is refused.';

insert into public.status_transitions (from_status, to_status, event_type, location, meaning) values
  ('new', 'analyzing', 'analysis_started', 'analysis', 'an analyst claimed it'),
  ('analyzing', 'new', 'lease_expired', 'analysis', 'the analyst''s lease ran out, or it gave the signal back'),
  ('analyzing', 'rejected', 'analysis_completed', 'analysis', 'the analysis said no'),
  ('analyzing', 'monitoring', 'analysis_completed', 'analysis', 'the analysis said yes, with a plan'),
  ('monitoring', 'ready', 'monitoring_action', 'monitoring', 'the market is where the plan wants it'),
  ('ready', 'in_position', 'position_opened', 'trading', 'the entry was filled'),
  ('in_position', 'closed', 'position_closed', 'trading', 'the position is flat'),
  ('new', 'expired', 'signal_expired', 'analysis', 'given up before the analysis'),
  ('analyzing', 'expired', 'signal_expired', 'analysis', 'given up during the analysis'),
  ('monitoring', 'expired', 'signal_expired', 'monitoring', 'given up while it was watched'),
  ('ready', 'expired', 'signal_expired', 'trading', 'not traded'),
  ('in_position', 'expired', 'signal_expired', 'trading', 'given up by an operator without a position at the venue');

create table public.outcome_codes (
  code text primary key,
  status public.signal_status not null,
  description text not null,
  constraint "only an end has a reason" check (status in ('rejected', 'closed', 'expired')),
  unique (code, status)
);
comment on table public.outcome_codes is 'Why a signal ended: the one list that SQL, Python and TypeScript share.';

insert into public.outcome_codes (status, code, description) values
  ('rejected', 'low_confidence', 'The analysis was less sure than the trader asks for.'),
  ('rejected', 'against_trend', 'The signal goes against the trend.'),
  ('rejected', 'volatility_too_high', 'The market moves too much for a sensible stop.'),
  ('rejected', 'volatility_too_low', 'The market moves too little to pay for the fees.'),
  ('rejected', 'reward_too_low', 'The reward does not justify the risk.'),
  ('rejected', 'plan_invalid', 'No valid plan could be made, for instance a stop on the wrong side.'),
  ('rejected', 'plan_wrong_side', 'The plan was for the other side, or its stop or target lay on the wrong one.'),
  ('rejected', 'plan_outside_limits', 'The plan risked more than the trader lets, or was far from the market.'),
  ('rejected', 'answer_malformed', 'The model''s answer was not in the form that was asked for.'),
  ('rejected', 'answer_refused', 'The model refused to judge the signal.'),
  ('rejected', 'analysis_limit', 'The trader''s analyses of that day were used up.'),
  ('rejected', 'analysis_budget', 'What may be spent on a model in one day was used up.'),
  ('rejected', 'analysis_failed', 'The analysis failed and was not tried again.'),
  ('rejected', 'trader_inactive', 'The trader was paused or deleted before the analysis.'),
  ('expired', 'signal_stale', 'The signal was too old when its turn came.'),
  ('expired', 'monitoring_timeout', 'The plan''s time ran out before the market came to it.'),
  ('expired', 'price_drifted', 'The price had moved too far from the plan.'),
  ('expired', 'setup_invalidated', 'The market broke the setup while it was watched.'),
  ('expired', 'position_limit', 'The trader, or its account, had all the positions open that it may have.'),
  ('expired', 'notional_limit', 'The trader, or its account, would have held more than it may.'),
  ('expired', 'symbol_limit', 'The trader, or its account, would have held more of the symbol than it may.'),
  ('expired', 'daily_loss_limit', 'The trader, or its account, had lost on that day what it may lose.'),
  ('expired', 'drawdown_limit', 'The trader, or its account, had fallen as far below its best as it may.'),
  ('expired', 'order_rate_limit', 'The trader, or its account, had given all the orders of a minute that it may.'),
  ('expired', 'size_invalid', 'No position size could be derived from the trader''s settings.'),
  ('expired', 'below_min_notional', 'The order was worth less than the venue accepts.'),
  ('expired', 'below_min_amount', 'The order was smaller than the venue accepts.'),
  ('expired', 'above_max_amount', 'The order was larger than the venue accepts.'),
  ('expired', 'above_max_notional', 'The order was worth more than the venue accepts.'),
  ('expired', 'price_out_of_band', 'The venue accepts no order at that price.'),
  ('expired', 'entry_unsupported', 'The venue takes no entry of this kind, as far as anybody verified.'),
  ('expired', 'post_only_crossed', 'The entry was to wait in the book, and would have been filled at once.'),
  ('expired', 'insufficient_balance', 'The account could not pay for the order.'),
  ('expired', 'no_account', 'The trader has no exchange account.'),
  ('expired', 'account_inactive', 'The trader''s exchange account may not trade.'),
  ('expired', 'symbol_not_tradable', 'The venue does not trade the symbol.'),
  ('expired', 'order_rejected', 'The venue refused the entry order.'),
  ('expired', 'order_denied', 'Our own checks refused the entry order before it was sent.'),
  ('expired', 'entry_unfilled', 'The entry order was not filled in time.'),
  ('expired', 'trader_paused', 'The trader was paused before the entry.'),
  ('closed', 'take_profit', 'The take profit was filled.'),
  ('closed', 'stop_loss', 'The stop loss was filled.'),
  ('closed', 'trailing_stop', 'The trailing stop was filled.'),
  ('closed', 'time_exit', 'The position was closed because its time was over.'),
  ('closed', 'manual_close', 'A person closed the position.'),
  ('closed', 'emergency_close', 'The position was flattened in an emergency.'),
  ('closed', 'protection_failed', 'The position could not be protected and was flattened.'),
  ('closed', 'margin_reduced', 'The position was closed to keep the account''s margin.'),
  ('closed', 'liquidated', 'The venue liquidated the position.'),
  ('closed', 'dust', 'What was filled was less than the venue trades.'),
  ('closed', 'venue_closed', 'The venue closed the position without an order of ours.');

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.status_transitions enable row level security;
alter table public.outcome_codes enable row level security;

create policy "Everyone who signed in reads the law" on public.status_transitions
  for select to authenticated, signal_worker, analyst, trading_bridge using (true);
create policy "Everyone who signed in reads the reasons" on public.outcome_codes
  for select to authenticated, signal_worker, analyst, trading_bridge using (true);

grant select on public.status_transitions, public.outcome_codes
  to authenticated, service_role, signal_worker, analyst, trading_bridge;
