/** Everything about one signal: what `signal_story` answers, and the way from a human name to a signal. */
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";

const Text = z.string().nullable();
/** Exact decimals come as text. */
const Exact = z.string().nullable();
const Data = z.record(z.string(), z.unknown()).nullable();

const Signal = z.object({
  id: z.string(),
  name: z.string(),
  trader_id: z.string(),
  symbol: z.string(),
  normalised_symbol: z.string(),
  interval: z.string(),
  side: z.enum(["long", "short"]),
  status: z.enum(["new", "analyzing", "rejected", "monitoring", "ready", "in_position", "closed", "expired"]),
  source: z.enum(["local", "cloud"]),
  machine: Text,
  outcome_code: Text,
  initial_price: z.string(),
  current_price: Exact,
  total_pnl: Exact,
  analysis_confidence: Exact,
  analysis_result: Data,
  analysis_trade_plan: Data,
  matched_conditions: z.unknown(),
  original_signal: z.unknown(),
  tags: z.array(z.string()).nullable(),
  error_count: z.number(),
  retry_count: z.number(),
  triggered_at: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  analyzed_at: Text,
  ready_at: Text,
  position_opened_at: Text,
  closed_at: Text,
});

const Trader = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  min_confidence: Exact,
  ai_analysis_limit: z.number().nullable(),
  max_concurrent_positions: z.number().nullable(),
  position_size_type: Text,
  position_size_value: Exact,
});

const Event = z.object({
  number: z.number(),
  event_type: z.string(),
  location: z.string(),
  from_status: Text,
  to_status: Text,
  worker: Text,
  event_data: Data,
  error_info: Data,
  order_id: Text,
  occurred_at: z.string(),
  created_at: z.string(),
});

const Snapshot = z.object({
  number: z.number(),
  action: z.string(),
  price: z.string(),
  price_change_1m: Exact,
  price_change_5m: Exact,
  confidence: Exact,
  reasoning: Text,
  occurred_at: z.string(),
  created_at: z.string(),
});

const Order = z.object({
  id: z.string(),
  leg: z.enum(["entry", "stop_loss", "take_profit", "exit"]),
  attempt: z.number(),
  status: z.string(),
  side: z.string(),
  kind: z.string(),
  amount: z.string(),
  price: Exact,
  trigger_price: Exact,
  filled: z.string(),
  average: Exact,
  fees: z.string(),
  managed_by: z.string(),
  code: Text,
  message: Text,
  intended_at: z.string(),
  status_at: z.string(),
});

const OrderEvent = z.object({
  order_id: z.string(),
  number: z.number(),
  event_type: z.string(),
  to_status: z.string(),
  event_data: Data,
  worker: Text,
  occurred_at: z.string(),
  created_at: z.string(),
});

const Position = z.object({
  id: z.string(),
  status: z.enum(["open", "closed"]),
  side: z.enum(["long", "short"]),
  amount: z.string(),
  entry_amount: z.string(),
  entry_average: Exact,
  exit_amount: z.string(),
  exit_average: Exact,
  stop_loss: z.string(),
  initial_stop_loss: z.string(),
  take_profit: Exact,
  exit_reason: Text,
  fees: z.string(),
  realized_pnl: z.string(),
  opened_at: z.string(),
  closed_at: Text,
});

const Execution = z.object({
  id: z.string(),
  order_id: z.string(),
  venue_trade_id: z.string(),
  leg: z.string(),
  side: z.string(),
  price: z.string(),
  amount: z.string(),
  fee_cost: z.string(),
  fee_currency: Text,
  fee_quote: Exact,
  executed_at: z.string(),
  created_at: z.string(),
});

const Story = z.object({
  signal: Signal,
  trader: Trader.nullable(),
  outcome: Text,
  events: z.array(Event),
  snapshots: z.array(Snapshot),
  orders: z.array(Order),
  order_events: z.array(OrderEvent),
  positions: z.array(Position),
  executions: z.array(Execution),
});

export type Story = z.infer<typeof Story>;
export type StoryEvent = z.infer<typeof Event>;
export type StoryOrder = z.infer<typeof Order>;
export type StoryPosition = z.infer<typeof Position>;

/** The story of a signal, null when the caller has no such signal. */
export async function readStory(project: Project, id: string): Promise<Story | null> {
  const told = answer(await project.rpc("signal_story", { signal_id: id })) as unknown;
  return told === null ? null : Story.parse(told);
}

/** What the signal was worth, with money as exact text. */
export async function readWorth(project: Project, id: string) {
  const said = await project.rpc("signal_performance", { signal_id: id }).select(
    "held, entry_average::text, exit_average::text, entry_amount::text, fees::text, realized_pnl::text," +
      "return_fraction::text, r_multiple::text, slippage_fraction::text, orders, executions, best_price::text, worst_price::text",
  );
  return Worth.parse(answer(said)[0] ?? null);
}

const Worth = z.object({
  held: Text,
  realized_pnl: Exact,
  fees: Exact,
  return_fraction: Exact,
  r_multiple: Exact,
  slippage_fraction: Exact,
  best_price: Exact,
  worst_price: Exact,
}).nullable();
export type Worth = z.infer<typeof Worth>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NAME = /^(.+)-(\d{1,15})$/;

/** What stands in the address: an id, a human name like BTCUSDT-1759487400000, or neither. */
export type Address = { id: string } | { symbol: string; from: string; to: string } | null;

/** Reads the address of a signal. A name's milliseconds are the first 48 bits of the ids that it may mean. */
export function parseAddress(text: string): Address {
  if (UUID.test(text)) return { id: text.toLowerCase() };
  const [, symbol, milliseconds] = NAME.exec(text) ?? [];
  if (symbol === undefined || milliseconds === undefined) return null;
  const hex = BigInt(milliseconds).toString(16).padStart(12, "0");
  if (hex.length > 12) return null;
  const time = `${hex.slice(0, 8)}-${hex.slice(8)}`;
  return { symbol, from: `${time}-0000-0000-000000000000`, to: `${time}-ffff-ffff-ffffffffffff` };
}

/** The ids that an address means: one, or as many as traders that fired there at that moment. */
export async function findSignals(project: Project, address: Exclude<Address, null>): Promise<string[]> {
  if ("id" in address) return [address.id];
  const found = answer(
    await project.from("signals").select("id").gte("id", address.from).lte("id", address.to)
      .eq("symbol", address.symbol).order("id").limit(50),
  );
  return found.map((one) => one.id);
}
