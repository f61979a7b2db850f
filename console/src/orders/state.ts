/** How the states of orders are told apart. */
import type { Database } from "../database.types.ts";
import type { Tone } from "../kit/badge.tsx";

export type OrderStatus = Database["public"]["Enums"]["order_status"];

const TONES: Record<OrderStatus, Tone> = {
  intended: "info",
  submitted: "info",
  open: "info",
  partially_filled: "info",
  filled: "good",
  canceled: "neutral",
  rejected: "bad",
  denied: "bad",
  unresolved: "bad",
};

export const ORDER_STATUSES = Object.keys(TONES) as OrderStatus[];

export function orderTone(status: string): Tone {
  return TONES[status as OrderStatus] ?? "neutral";
}
