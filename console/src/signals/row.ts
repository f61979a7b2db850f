/** One signal of the list, as query_signals and the live messages tell it. */
import { z } from "zod";
import type { Database } from "../database.types.ts";

type Enums = Database["public"]["Enums"];

/** Money, prices and the confidence are exact text; times are ISO 8601. */
export interface SignalRow {
  readonly id: string;
  readonly name: string;
  readonly trader_id: string;
  readonly symbol: string;
  readonly interval: string;
  readonly side: Enums["trade_side"];
  readonly status: Enums["signal_status"];
  readonly outcome_code: string | null;
  readonly initial_price: string;
  readonly current_price: string | null;
  readonly total_pnl: string;
  readonly analysis_confidence: string | null;
  readonly has_open_position: boolean;
  readonly triggered_at: string;
  readonly created_at: string;
  readonly updated_at: string;
  /** Missing in what a live message carries: the next page that is read has them. */
  readonly source?: Enums["signal_source"];
  readonly machine?: string | null;
  readonly tags?: readonly string[] | null;
}

/** What a page is asked for. */
export const ROW_COLUMNS: readonly (keyof SignalRow)[] = [
  "id",
  "name",
  "trader_id",
  "symbol",
  "interval",
  "side",
  "status",
  "outcome_code",
  "source",
  "machine",
  "initial_price",
  "current_price",
  "total_pnl",
  "analysis_confidence",
  "has_open_position",
  "tags",
  "triggered_at",
  "created_at",
  "updated_at",
];

// The envelope is checked; the rows are the database's own, fifty of them many times a second.
const Message = z.object({
  count: z.number(),
  from_id: z.string(),
  to_id: z.string(),
  rows: z.array(z.looseObject({ id: z.string(), updated_at: z.string() })).nullable(),
});

/** A message of the topic `signals`: so many changed between these ids, and the newest of them. */
export interface ChangeMessage {
  readonly count: number;
  readonly fromId: string;
  readonly toId: string;
  readonly rows: readonly SignalRow[];
}

/** Reads a message. Raises an Error (of zod) when it is none. */
export function readMessage(payload: unknown): ChangeMessage {
  const { count, from_id, to_id, rows } = Message.parse(payload);
  return { count, fromId: from_id, toId: to_id, rows: (rows ?? []) as unknown as SignalRow[] };
}

/** The least id of a moment (Unix milliseconds): every signal that fired then or later is above it. */
export function idFloor(milliseconds: number): string {
  const hex = Math.max(0, Math.floor(milliseconds)).toString(16).padStart(12, "0").slice(-12);
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** When the signal of an id fired, in Unix milliseconds. */
export function idMoment(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** What is known of one row from two sides: the later change stands, and what it does not carry is kept. */
export function newer(known: SignalRow, told: SignalRow): SignalRow {
  return told.updated_at < known.updated_at ? { ...told, ...known } : { ...known, ...told };
}

/** The id next to another, one up or one down: bounds of the database leave themselves out. */
export function neighbour(id: string, step: 1 | -1): string {
  const most = (1n << 128n) - 1n;
  const value = BigInt(`0x${id.replaceAll("-", "")}`) + BigInt(step);
  const hex = (value < 0n ? 0n : value > most ? most : value).toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
