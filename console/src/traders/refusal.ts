/** Which field of the form a refusal of the database is about. */
import { type Failure, judge } from "../app/failure.ts";
import type { Field } from "./draft.ts";

export interface Refusal extends Failure {
  readonly field: Field | null;
  /** What became of the rest. */
  readonly rest: string;
}

/** Raised when a trader was stored and its limits were refused, with what they were refused for. */
export class PartlySaved extends Error {
  constructor(readonly refused: unknown) {
    super("the trader is saved, its limits are not");
    this.name = "PartlySaved";
  }
}

// The checks of the table traders are sentences; these words in them say which field is meant, the first that fits.
const FIELDS: readonly (readonly [RegExp, Field])[] = [
  [/has a name/, "name"],
  [/on spot a trader can only go long/, "side"],
  [/symbols/, "symbols"],
  [/condition/, "conditions"],
  [/analysis limit/, "ai_analysis_limit"],
  [/confidence/, "min_confidence"],
  [/monitoring interval/, "monitoring_interval_seconds"],
  [/interval/, "interval"],
  [/market/, "market"],
  [/needs a stop loss|stop price lies/, "stop_loss_value"],
  [/trailing stop/, "trailing_stop_value"],
  [/stop loss/, "stop_loss_value"],
  [/take profit/, "take_profit_value"],
  [/size/, "position_size_value"],
  [/positions at once/, "max_concurrent_positions"],
  [/position is held/, "max_holding_seconds"],
  [/account/, "default_exchange_account_id"],
  [/limit of positions/, "max_positions"],
  [/notional/, "max_notional"],
  [/losses/, "max_daily_loss"],
  [/orders is/, "max_orders_per_minute"],
  [/reduces from/, "reduce_at_percent"],
];

/** What the database said, as a sentence, and the field that it is about. */
export function readRefusal(error: unknown): Refusal {
  if (error instanceof PartlySaved) {
    return { ...readRefusal(error.refused), rest: "The trader is saved, its limits are not" };
  }
  const failure = { ...judge(error), rest: "Not saved, everything is as it was" };
  const said = error instanceof Error ? error.message : String(error);
  const rule = /violates (?:check|foreign key) constraint "([^"]+)"/.exec(said)?.[1];
  if (failure.face !== "refused") return { ...failure, field: null };
  if (!rule) return { ...failure, field: find(said) };
  const sentence = `${rule.charAt(0).toUpperCase()}${rule.slice(1)}.`;
  return { ...failure, message: sentence, hint: "", field: find(rule) };
}

function find(said: string): Field | null {
  return FIELDS.find(([words]) => words.test(said))?.[1] ?? null;
}
