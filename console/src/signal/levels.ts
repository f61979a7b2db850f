/** What a chart of one signal shows: prices over time, its levels, its fills. Floats only here, to place pixels. */
import type { Story } from "./story.ts";
import { exact } from "./why.ts";

export interface Point {
  /** Seconds since 1970, ascending, each once: what the chart asks for. */
  readonly time: number;
  readonly value: number;
}
export interface Level {
  readonly name: "entry" | "stop loss" | "take profit" | "liquidation";
  readonly price: number;
}
export interface Mark {
  readonly time: number;
  readonly price: number;
  readonly text: string;
  readonly side: "buy" | "sell";
}
export interface Drawing {
  readonly points: readonly Point[];
  readonly levels: readonly Level[];
  readonly marks: readonly Mark[];
}

/** The drawing of a story. Of several prices in one second the last counts. */
export function draw(story: Story): Drawing {
  const { signal } = story;
  const known: [string, string][] = [
    [signal.triggered_at, signal.initial_price],
    ...story.snapshots.map((look): [string, string] => [look.occurred_at, look.price]),
    ...story.executions.map((fill): [string, string] => [fill.executed_at, fill.price]),
  ];
  const bySecond = new Map<number, number>();
  for (const [at, price] of known.sort(([a], [b]) => Date.parse(a) - Date.parse(b))) {
    bySecond.set(seconds(at), Number(price));
  }
  const position = story.positions.at(-1);
  const planned = (name: string) => exact(signal.analysis_trade_plan?.[name]);
  const levels: [Level["name"], string | null | undefined][] = [
    ["entry", position?.entry_average ?? planned("entry")],
    ["stop loss", position?.stop_loss ?? planned("stop_loss")],
    ["take profit", position?.take_profit ?? planned("take_profit")],
  ];
  return {
    points: [...bySecond].map(([time, value]) => ({ time, value })),
    levels: levels.flatMap(([name, price]) => price ? [{ name, price: Number(price) }] : []),
    marks: story.executions.map((fill) => ({
      time: seconds(fill.executed_at),
      price: Number(fill.price),
      text: fill.leg === "entry" ? "entry" : fill.leg.replaceAll("_", " "),
      side: fill.side === "buy" ? "buy" as const : "sell" as const,
    })).sort((a, b) => a.time - b.time),
  };
}

function seconds(at: string): number {
  return Math.floor(Date.parse(at) / 1000);
}
