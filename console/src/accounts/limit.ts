/** The limits that an account can have, and the arithmetic about them: exact, as the database's. */
import Decimal from "decimal.js";
import type { Limits } from "./account.ts";

export type LimitName = keyof Limits;

export const LIMITS = [
  { name: "max_daily_loss", label: "Lost today", use: "daily_loss" },
  { name: "max_drawdown", label: "Below its best", use: "drawdown" },
  { name: "max_positions", label: "Positions", use: "positions" },
  { name: "max_notional", label: "Held or ordered", use: "notional" },
  { name: "max_symbol_notional", label: "Of one symbol", use: null },
  { name: "max_orders_per_minute", label: "Orders a minute", use: "orders_last_minute" },
] as const;

/** Percent of a limit that is used, rounded down; null where nothing is limited or nothing is measured. */
export function used(now: string | null, most: string | null): number | null {
  if (now === null || most === null) return null;
  const limit = new Decimal(most);
  if (limit.isZero()) return 100;
  return new Decimal(now).times(100).div(limit).floor().toNumber();
}

/** What a form asks to change: a limit by its new value, null for one that it lifts. Raises RangeError with a sentence. */
export function asked(
  field: (name: LimitName) => string,
  known: Limits | null,
): Record<string, string | null> {
  const wanted: Record<string, string | null> = {};
  for (const name of [...LIMITS.map((one) => one.name), "reduce_at_percent"] as LimitName[]) {
    const text = field(name).trim();
    const before = known?.[name] ?? (name === "reduce_at_percent" ? 80 : null);
    if (text === "") {
      if (before !== null && name !== "reduce_at_percent") wanted[name] = null;
      continue;
    }
    if (!/^\d+(\.\d+)?$/.test(text)) {
      throw new RangeError(
        `“${text}” is no limit: give a number above zero, or leave it empty for no limit.`,
      );
    }
    if (before === null || !new Decimal(text).eq(String(before))) wanted[name] = text;
  }
  return wanted;
}
