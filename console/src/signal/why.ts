/** Why a signal was or was not traded, in a sentence, out of its story: a pure decision. */
import Decimal from "decimal.js";
import { formatDecimal } from "../kit/money.tsx";
import { words } from "../kit/status.ts";
import type { Story } from "./story.ts";

export interface Why {
  readonly traded: "yes" | "no" | "not yet";
  /** Whole: verdict, reason, figures. */
  readonly sentence: string;
  /** What the one who decided said, in its own words. */
  readonly said: string | null;
  readonly code: string | null;
}

type Tell = (story: Story) => string;

/** What is to be said of each end beside its text in outcome_codes: the figures that decided. */
export const FIGURES: Readonly<Record<string, Tell>> = {
  low_confidence: (story) =>
    join(
      story.signal.analysis_confidence && `It was ${share(story.signal.analysis_confidence)} sure`,
      story.trader?.min_confidence && `${story.trader.name} asks for ${share(story.trader.min_confidence)}`,
    ),
  against_trend: (story) => readings(story, ["adx", "slope"]),
  volatility_too_high: (story) => readings(story, ["atr_percent"]),
  volatility_too_low: (story) => readings(story, ["atr_percent"]),
  reward_too_low: (story) => readings(story, ["reward_to_risk"]),
  plan_invalid: plan,
  plan_wrong_side: plan,
  plan_outside_limits: plan,
  answer_malformed: nothing,
  answer_refused: nothing,
  analysis_limit: (story) =>
    story.trader?.ai_analysis_limit == null
      ? ""
      : `${story.trader.name} may have ${story.trader.ai_analysis_limit} a day.`,
  analysis_budget: nothing,
  analysis_failed: (story) =>
    story.signal.error_count > 1 ? `It was tried ${story.signal.error_count} times.` : "",
  trader_inactive: traderState,
  signal_stale: (story) =>
    story.signal.closed_at
      ? `It had fired ${span(story.signal.triggered_at, story.signal.closed_at)} before.`
      : "",
  monitoring_timeout: watched,
  price_drifted: drift,
  setup_invalidated: drift,
  position_limit: (story) =>
    story.trader?.max_concurrent_positions == null
      ? ""
      : `${story.trader.name} may have ${story.trader.max_concurrent_positions} positions.`,
  notional_limit: nothing,
  symbol_limit: nothing,
  daily_loss_limit: nothing,
  drawdown_limit: nothing,
  order_rate_limit: nothing,
  size_invalid: (story) =>
    story.trader?.position_size_type
      ? `${story.trader.name} sizes by ${words(story.trader.position_size_type)}${
        story.trader.position_size_value ? ` ${formatDecimal(story.trader.position_size_value)}` : ""
      }.`
      : "",
  below_min_notional: asked,
  below_min_amount: asked,
  above_max_amount: asked,
  above_max_notional: asked,
  price_out_of_band: asked,
  entry_unsupported: asked,
  post_only_crossed: asked,
  insufficient_balance: asked,
  no_account: nothing,
  account_inactive: nothing,
  symbol_not_tradable: (story) => `The symbol is ${story.signal.symbol}.`,
  order_rejected: asked,
  order_denied: asked,
  entry_unfilled: asked,
  trader_paused: traderState,
  take_profit: result,
  stop_loss: result,
  trailing_stop: result,
  time_exit: result,
  manual_close: result,
  emergency_close: result,
  protection_failed: result,
  margin_reduced: result,
  liquidated: result,
  dust: result,
  venue_closed: result,
};

/** Judges a story. A code that this console does not know yet is told by its text in the database. */
export function explain(story: Story): Why {
  const { signal } = story;
  const code = signal.outcome_code;
  if (code === null) return { ...underWay(story), said: lastWords(story), code };
  const text = story.outcome ?? `It ended as ${words(code)}.`;
  const figures = (FIGURES[code] ?? nothing)(story);
  const traded = signal.status === "closed" || story.positions.length > 0 ? "yes" : "no";
  return {
    traded,
    sentence: sentences(traded === "yes" ? "Traded." : "Not traded.", text, figures),
    said: decidersWords(story),
    code,
  };
}

function underWay(story: Story): Pick<Why, "traded" | "sentence"> {
  const { signal } = story;
  switch (signal.status) {
    case "new":
      return { traded: "not yet", sentence: "Not yet traded: it waits for its analysis." };
    case "analyzing":
      return { traded: "not yet", sentence: "Not yet traded: it is being analysed." };
    case "monitoring":
      return {
        traded: "not yet",
        sentence: sentences(
          "Not yet traded: the analysis said yes, and the market is watched.",
          levels(story),
        ),
      };
    case "ready":
      return {
        traded: "not yet",
        sentence: sentences("Not yet traded: the market is where the plan wants it.", asked(story)),
      };
    default:
      return { traded: "yes", sentence: sentences("Traded, and the position is open.", result(story)) };
  }
}

/** What was said with the decision: by the analysis, the watch over the market, the venue, or a person. */
function decidersWords(story: Story): string | null {
  const ended = story.events.findLast((event) => event.to_status === story.signal.status);
  const manual = story.events.findLast((event) =>
    event.event_type === "position_updated" && event.event_data?.["exit_reason"] === story.signal.outcome_code
  );
  const fromMonitoring = ended?.from_status === "monitoring" ? story.snapshots.at(-1)?.reasoning : null;
  const refused = story.orders.findLast((order) => order.leg === "entry")?.message;
  return firstText(
    ended?.event_data?.["message"],
    ended?.error_info?.["error"],
    ended?.error_info?.["message"],
    story.signal.status === "rejected" ? story.signal.analysis_result?.["reason"] : null,
    story.signal.status === "rejected" ? story.signal.analysis_result?.["reasoning"] : null,
    fromMonitoring,
    manual?.event_data?.["message"],
    story.signal.status === "expired" ? refused : null,
  );
}

function lastWords(story: Story): string | null {
  if (story.signal.status !== "monitoring") return null;
  return firstText(story.snapshots.at(-1)?.reasoning);
}

function nothing(): string {
  return "";
}

function traderState(story: Story): string {
  return story.trader ? `${story.trader.name} is ${story.trader.status} now.` : "";
}

function plan(story: Story): string {
  return levels(story);
}

function levels({ signal }: Story): string {
  const read = (name: string) => exact(signal.analysis_trade_plan?.[name]);
  const [entry, stop, take] = [read("entry"), read("stop_loss"), read("take_profit")];
  if (entry === null) return "";
  return `The plan: ${signal.side} at ${formatDecimal(entry)}${
    stop ? `, stop at ${formatDecimal(stop)}` : ""
  }${take ? `, target ${formatDecimal(take)}` : ""}.`;
}

function watched(story: Story): string {
  const { analyzed_at, closed_at } = story.signal;
  const looks = story.snapshots.length;
  if (!analyzed_at || !closed_at) return "";
  return `It was watched for ${span(analyzed_at, closed_at)}, with ${looks} ${
    looks === 1 ? "look" : "looks"
  }.`;
}

function drift(story: Story): string {
  const entry = exact(story.signal.analysis_trade_plan?.["entry"]);
  const price = story.snapshots.at(-1)?.price ?? story.signal.current_price;
  if (entry === null || !price || new Decimal(entry).isZero()) return "";
  const percent = new Decimal(price).minus(entry).div(entry).times(100);
  const sign = percent.gt(0) ? "+" : "";
  return `It was ${formatDecimal(price)}, ${sign}${
    formatDecimal(percent.toFixed(), 2)
  } % from the planned entry at ${formatDecimal(entry)}.`;
}

function asked(story: Story): string {
  const order = story.orders.findLast((one) => one.leg === "entry");
  if (!order) return "";
  const price = order.price ?? order.trigger_price;
  return `The ${words(order.kind)} order to ${order.side} ${formatDecimal(order.amount)}${
    price ? ` at ${formatDecimal(price)}` : ""
  } is ${words(order.status)}${
    order.code && order.code !== story.signal.outcome_code ? ` (${words(order.code)})` : ""
  }.`;
}

function result(story: Story): string {
  const position = story.positions.at(-1);
  if (!position || position.entry_average === null) return "";
  const quote = quoteOf(story.signal.normalised_symbol);
  const opened = `${position.side === "long" ? "Bought" : "Sold"} ${
    formatDecimal(position.entry_amount)
  } at ${formatDecimal(position.entry_average)}`;
  if (position.status === "open") return `${opened}; the stop is at ${formatDecimal(position.stop_loss)}.`;
  const pnl = new Decimal(position.realized_pnl);
  const cost = new Decimal(position.entry_average).times(position.entry_amount);
  const percent = cost.isZero() ? "" : ` (${signed(pnl.div(cost).times(100))} %)`;
  const closed = position.exit_average === null ? "" : `, closed at ${formatDecimal(position.exit_average)}`;
  return `${opened}${closed}: ${signed(pnl)} ${quote}${percent} after ${
    formatDecimal(position.fees, 2)
  } ${quote} of fees.`;
}

function readings({ signal }: Story, names: readonly string[]): string {
  const known = names.flatMap((name) => {
    const value = exact(signal.analysis_result?.[name]);
    return value === null ? [] : [`${name.replaceAll("_", " ")} ${formatDecimal(value)}`];
  });
  return known.length === 0 ? "" : `It read ${known.join(", ")}.`;
}

/** The currency that prices are in: USDT of ETH/USDT:USDT. */
export function quoteOf(normalised: string): string {
  return normalised.split("/")[1]?.split(":")[0] ?? "";
}

/** A decimal out of JSON, as text; null for what is none. */
export function exact(value: unknown): string | null {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return typeof value === "string" && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(value) ? value : null;
}

function share(fraction: string): string {
  return `${formatDecimal(new Decimal(fraction).times(100).toFixed(), 0)} %`;
}

function signed(value: Decimal): string {
  return (value.gt(0) ? "+" : "") + formatDecimal(value.toFixed(), 2);
}

/** How long from one time to another, as people say it. */
export function span(from: string, to: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest === 0 ? "" : ` ${rest} min`}`;
}

function firstText(...found: unknown[]): string | null {
  for (const one of found) if (typeof one === "string" && one.trim() !== "") return one.trim();
  return null;
}

function join(...parts: (string | null | undefined | false | "")[]): string {
  const known = parts.filter(Boolean);
  return known.length === 0 ? "" : `${known.join("; ")}.`;
}

function sentences(...all: string[]): string {
  return all.filter((one) => one !== "").join(" ");
}
