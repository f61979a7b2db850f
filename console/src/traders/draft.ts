/** A trader while it is being written: every field as text, as people type it. */
import { type Fault, findFault } from "../conditions/condition.ts";
import type { Trader } from "./trader.ts";

const TEXTS = [
  "name",
  "market",
  "symbols",
  "interval",
  "side",
  "strategy",
  "ai_analysis_limit",
  "min_confidence",
  "monitoring_interval_seconds",
  "default_exchange_account_id",
  "position_size_type",
  "position_size_value",
  "max_concurrent_positions",
  "stop_loss_type",
  "stop_loss_value",
  "take_profit_type",
  "take_profit_value",
  "trailing_stop_type",
  "trailing_stop_value",
  "max_holding_seconds",
] as const;
export const LIMITS = [
  "max_positions",
  "max_notional",
  "max_symbol_notional",
  "max_daily_loss",
  "max_drawdown",
  "max_orders_per_minute",
  "reduce_at_percent",
] as const;

export type TextField = (typeof TEXTS)[number];
export type LimitField = (typeof LIMITS)[number];
export type Field = TextField | LimitField | "conditions";
export type Draft = Readonly<Record<TextField, string>> & { readonly conditions: readonly string[] };
export type Limits = Readonly<Record<LimitField, string>>;
/** What is wrong, by field; the place in a condition apart. */
export type Faults = Readonly<Partial<Record<Field, string>>>;

export const NO_LIMITS = Object.fromEntries(LIMITS.map((one) => [one, ""])) as Limits;

export const EMPTY: Draft = {
  name: "",
  market: "usdm",
  symbols: "BTCUSDT, ETHUSDT",
  interval: "15m",
  side: "long",
  strategy: "",
  conditions: [""],
  ai_analysis_limit: "10",
  min_confidence: "0.6",
  monitoring_interval_seconds: "300",
  default_exchange_account_id: "",
  position_size_type: "risk_based",
  position_size_value: "0.5",
  max_concurrent_positions: "1",
  stop_loss_type: "atr",
  stop_loss_value: "2",
  take_profit_type: "atr",
  take_profit_value: "3",
  trailing_stop_type: "",
  trailing_stop_value: "",
  max_holding_seconds: "",
};

export function draftOf(trader: Trader): Draft {
  const texts = TEXTS.map((one) => {
    const value = trader[one];
    return [one, Array.isArray(value) ? value.join(", ") : value === null ? "" : String(value)];
  });
  return { ...(Object.fromEntries(texts) as Record<TextField, string>), conditions: trader.conditions };
}

/** Symbols as people part them: by commas, blanks or lines; each once. */
export function readSymbols(text: string): string[] {
  return [...new Set(text.toUpperCase().split(/[\s,;]+/).filter(Boolean))];
}

const WHOLE: readonly TextField[] = [
  "ai_analysis_limit",
  "monitoring_interval_seconds",
  "max_concurrent_positions",
  "max_holding_seconds",
];
const DECIMAL: readonly TextField[] = [
  "min_confidence",
  "position_size_value",
  "stop_loss_value",
  "take_profit_value",
  "trailing_stop_value",
];
const PAIRS = ["stop_loss", "take_profit", "trailing_stop"] as const;

/** What is plainly wrong; everything else is for the database to judge. */
export function check(draft: Draft): { faults: Faults; condition: Fault | null } {
  const faults: Partial<Record<Field, string>> = {};
  if (!draft.name.trim()) faults.name = "Give it a name.";
  if (readSymbols(draft.symbols).length === 0) faults.symbols = "Name at least one symbol, such as BTCUSDT.";
  for (const field of WHOLE) {
    if (!/^\d*$/.test(draft[field].trim())) faults[field] = "This is a whole number.";
  }
  for (const field of DECIMAL) {
    if (!isDecimal(draft[field])) faults[field] = "This is a number, such as 1.5.";
  }
  for (
    const field of ["min_confidence", "monitoring_interval_seconds", "max_concurrent_positions"] as const
  ) {
    if (!draft[field].trim()) faults[field] = "This is needed.";
  }
  for (const pair of PAIRS) {
    if (draft[`${pair}_type`] && !draft[`${pair}_value`].trim()) faults[`${pair}_value`] = "Say how far.";
  }
  const condition = findFault(draft.conditions);
  if (condition) faults.conditions = condition.reason;
  return { faults, condition };
}

export function checkLimits(limits: Limits): Faults {
  return Object.fromEntries(
    LIMITS.filter((one) => !isDecimal(limits[one])).map((one) => [one, "This is a number, such as 500."]),
  );
}

function isDecimal(text: string): boolean {
  return /^(\d+(\.\d+)?)?$/.test(text.trim());
}

/** The row of a draft: decimals stay text, so that every digit arrives. */
export function rowOf(draft: Draft): Record<string, unknown> {
  const row: Record<string, unknown> = {
    ...draft,
    name: draft.name.trim(),
    symbols: readSymbols(draft.symbols),
    conditions: draft.conditions.map((one) => one.trim()),
  };
  for (const field of TEXTS) {
    if (row[field] === "" && field !== "name" && field !== "strategy") row[field] = null;
  }
  for (const field of WHOLE) row[field] = draft[field].trim() === "" ? null : Number(draft[field]);
  for (const field of DECIMAL) row[field] = draft[field].trim() || null;
  // What has no kind has no distance either.
  for (const pair of PAIRS) if (row[`${pair}_type`] === null) row[`${pair}_value`] = null;
  return row;
}

/** The limits that were changed: null lifts one. */
export function changedLimits(before: Limits, after: Limits): Record<string, string | null> {
  const changed = LIMITS.filter((one) => before[one].trim() !== after[one].trim());
  return Object.fromEntries(changed.map((one) => [one, after[one].trim() || null]));
}
