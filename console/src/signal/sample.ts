/** A story for tests, as the database tells one. */
import type { Story } from "./story.ts";

export function tellStory(
  signal: Partial<Story["signal"]> = {},
  rest: Partial<Omit<Story, "signal">> = {},
): Story {
  return {
    signal: {
      id: "01969abd-0100-8f88-9fdc-4d5691d7003c",
      name: "ETHUSDT-1746352800000",
      trader_id: "t",
      symbol: "ETHUSDT",
      normalised_symbol: "ETH/USDT:USDT",
      interval: "5m",
      side: "long",
      status: "closed",
      source: "cloud",
      machine: "sig-1",
      outcome_code: "take_profit",
      initial_price: "100",
      current_price: "101",
      total_pnl: "0",
      analysis_confidence: "0.55",
      analysis_result: {
        adx: 39.57,
        slope: -0.174,
        atr_percent: 0.4,
        reward_to_risk: 1.1,
        reason: "too steep",
      },
      analysis_trade_plan: { entry: "100", stop_loss: "98", take_profit: "104" },
      matched_conditions: [],
      original_signal: null,
      tags: null,
      error_count: 3,
      retry_count: 0,
      triggered_at: "2025-05-04T10:00:00+00:00",
      created_at: "2026-11-22T06:25:45.888379+00:00",
      updated_at: "2026-11-22T06:25:45.888379+00:00",
      analyzed_at: "2025-05-04T10:01:00+00:00",
      ready_at: null,
      position_opened_at: null,
      closed_at: "2025-05-04T12:31:00+00:00",
      ...signal,
    },
    trader: {
      id: "t",
      name: "Dips",
      status: "paused",
      min_confidence: "0.6",
      ai_analysis_limit: 20,
      max_concurrent_positions: 2,
      position_size_type: "risk_based",
      position_size_value: "0.5",
    },
    outcome: "The reason, as the database words it.",
    events: [],
    snapshots: [],
    orders: [],
    order_events: [],
    positions: [],
    executions: [],
    ...rest,
  };
}

export function tellEvent(
  number: number,
  more: Partial<Story["events"][number]> = {},
): Story["events"][number] {
  return {
    number,
    event_type: "status_changed",
    location: "trading",
    from_status: null,
    to_status: null,
    worker: null,
    event_data: null,
    error_info: null,
    order_id: null,
    occurred_at: `2025-05-04T10:00:${String(number).padStart(2, "0")}+00:00`,
    created_at: `2026-11-22T06:00:${String(number).padStart(2, "0")}+00:00`,
    ...more,
  };
}

export function tellPosition(more: Partial<Story["positions"][number]> = {}): Story["positions"][number] {
  return {
    id: "p",
    status: "closed",
    side: "long",
    amount: "0",
    entry_amount: "2.5",
    entry_average: "100",
    exit_amount: "2.5",
    exit_average: "104",
    stop_loss: "98",
    initial_stop_loss: "98",
    take_profit: "104",
    exit_reason: "take_profit",
    fees: "0.51",
    realized_pnl: "9.49",
    opened_at: "2025-05-04T10:05:00+00:00",
    closed_at: "2025-05-04T10:35:00+00:00",
    ...more,
  };
}

export function tellSnapshot(
  number: number,
  more: Partial<Story["snapshots"][number]> = {},
): Story["snapshots"][number] {
  return {
    number,
    action: "continue",
    price: "101",
    price_change_1m: null,
    price_change_5m: null,
    confidence: null,
    reasoning: null,
    occurred_at: "2025-05-04T10:02:00+00:00",
    created_at: "2026-11-22T06:00:02+00:00",
    ...more,
  };
}

export function tellOrder(more: Partial<Story["orders"][number]> = {}): Story["orders"][number] {
  return {
    id: "o",
    leg: "entry",
    attempt: 1,
    status: "rejected",
    side: "buy",
    kind: "limit",
    amount: "2.5",
    price: "100",
    trigger_price: null,
    filled: "0",
    average: null,
    fees: "0",
    managed_by: "venue",
    code: "order_rejected",
    message: "margin is insufficient",
    intended_at: "2025-05-04T10:02:00+00:00",
    status_at: "2025-05-04T10:02:00+00:00",
    ...more,
  };
}

export function tellExecution(more: Partial<Story["executions"][number]> = {}): Story["executions"][number] {
  return {
    id: "x",
    order_id: "o",
    venue_trade_id: "1",
    leg: "entry",
    side: "buy",
    price: "100",
    amount: "2.5",
    fee_cost: "0.25",
    fee_currency: "USDT",
    fee_quote: "0.25",
    executed_at: "2025-05-04T10:02:00+00:00",
    created_at: "2026-11-22T06:00:02+00:00",
    ...more,
  };
}
