/** The way of a signal from candle to fill, as one list: a pure merge of its trails. */
import { formatDecimal } from "../kit/money.tsx";
import { words } from "../kit/status.ts";
import type { Story } from "./story.ts";
import { exact } from "./why.ts";

export type Tone = "plain" | "good" | "bad" | "warn";

export interface Step {
  readonly key: string;
  readonly kind: "event" | "snapshot" | "fill" | "order";
  /** Of an event: its type. */
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly at: string;
  /** The database's time: what happened earlier was recorded earlier. */
  readonly recordedAt: string;
  readonly who: string | null;
  readonly tone: Tone;
}

const TONES: Readonly<Record<string, Tone>> = {
  position_opened: "good",
  protection_confirmed: "good",
  take_profit_triggered: "good",
  order_filled: "good",
  analysis_failed: "bad",
  protection_failed: "bad",
  order_rejected: "bad",
  order_denied: "bad",
  order_unresolved: "bad",
  stop_loss_triggered: "warn",
  lease_expired: "warn",
  signal_expired: "warn",
};

// What the signal's own trail tells of an order as well.
const TOLD_TWICE = new Set([
  "intended",
  "filled",
  "partially_filled",
  "canceled",
  "rejected",
  "denied",
  "unresolved",
]);

/**
 * All steps in order. The signal's events keep the order of their numbers, whatever times they carry; what else is
 * known (looks at the market, fills, states of orders) stands before the first event that was recorded with it or later.
 */
export function steps(story: Story): Step[] {
  const legs = new Map(story.orders.map((order) => [order.id, order.leg]));
  const events = [...story.events].sort((a, b) => a.number - b.number).map((event): Step => ({
    key: `event-${event.number}`,
    kind: "event",
    type: event.event_type,
    title: titleOf(event.event_type, event.event_data, event.to_status),
    detail: describe({ ...event.event_data, ...event.error_info }),
    at: event.occurred_at,
    recordedAt: event.created_at,
    who: event.worker ?? event.location,
    tone: event.error_info ? "bad" : TONES[event.event_type] ?? "plain",
  }));
  const others: Step[] = [
    ...story.snapshots.map((look): Step => ({
      key: `snapshot-${look.number}`,
      kind: "snapshot",
      type: look.action,
      title: `looked at the market: ${words(look.action)}`,
      detail: [`price ${formatDecimal(look.price)}`, look.reasoning ?? ""].filter(Boolean).join(" · "),
      at: look.occurred_at,
      recordedAt: look.created_at,
      who: null,
      tone: "plain",
    })),
    ...story.executions.map((fill): Step => ({
      key: `fill-${fill.id}`,
      kind: "fill",
      type: fill.leg,
      title: `${words(fill.leg)} fill: ${fill.side} ${formatDecimal(fill.amount)} at ${
        formatDecimal(fill.price)
      }`,
      detail: `fee ${formatDecimal(fill.fee_cost)} ${fill.fee_currency ?? ""}`.trim(),
      at: fill.executed_at,
      recordedAt: fill.created_at,
      who: null,
      tone: "plain",
    })),
    ...story.order_events.filter((event) => !TOLD_TWICE.has(event.event_type)).map((event): Step => ({
      key: `order-${event.order_id}-${event.number}`,
      kind: "order",
      type: event.event_type,
      title: `${words(legs.get(event.order_id) ?? "")} order ${words(event.event_type)}`.trim(),
      detail: describe(event.event_data ?? {}, ["leg"]),
      at: event.occurred_at,
      recordedAt: event.created_at,
      who: event.worker,
      tone: "plain",
    })),
  ].sort((a, b) =>
    compareTimes(a.recordedAt, b.recordedAt) || compareTimes(a.at, b.at) || (a.key < b.key ? -1 : 1)
  );

  const merged: Step[] = [];
  let next = 0;
  // An event that was recorded after a later one keeps its place: what counts is the latest time until then.
  let latest = "";
  for (const event of events) {
    if (latest === "" || compareTimes(event.recordedAt, latest) > 0) latest = event.recordedAt;
    for (let one = others[next]; one && compareTimes(one.recordedAt, latest) <= 0; one = others[++next]) {
      merged.push(one);
    }
    merged.push(event);
  }
  return [...merged, ...others.slice(next)];
}

/** PostgreSQL leaves out zeros at the end of a second, so that text alone does not order times. */
export function compareTimes(a: string, b: string): number {
  const difference = Date.parse(a) - Date.parse(b);
  if (difference !== 0) return difference;
  const micros = (text: string) => (/\.(\d+)/.exec(text)?.[1] ?? "").padEnd(6, "0");
  return Math.sign(Number(micros(a)) - Number(micros(b)));
}

function titleOf(type: string, data: Record<string, unknown> | null, to: string | null): string {
  const leg = typeof data?.["leg"] === "string" ? ` (${words(data["leg"])})` : "";
  return `${words(type)}${leg}${to && type !== "signal_created" ? ` → ${words(to)}` : ""}`;
}

const LEFT_OUT = new Set(["client_order_id", "symbol", "attempt", "leg"]);

/** What an event carries, in one line. */
export function describe(data: Record<string, unknown>, leaveOut: readonly string[] = []): string {
  return Object.entries(data).flatMap(([name, value]) => {
    if (value === null || LEFT_OUT.has(name) || leaveOut.includes(name)) return [];
    const decimal = exact(value);
    const text = decimal !== null
      ? formatDecimal(decimal)
      : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
    return [name === "error" || name === "message" ? text : `${words(name)} ${text}`];
  }).join(" · ");
}
