/** What the page asks the database, each as the functions of the schema answer it. Money is text. */
import { queryOptions } from "@tanstack/react-query";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { type Period, utcDays } from "./period.ts";
import type { Dimension } from "./search.ts";

/** Everything here begins with this key. */
export const PERFORMANCE = "performance";
const MINUTE = 60_000;

export interface Subject {
  readonly trader: string | undefined;
  readonly symbol: string | undefined;
}

function times({ from, to }: Period) {
  return { from_time: from.toISOString(), to_time: to.toISOString() };
}

export function seriesQuery(project: Project, span: Period, zone: string, { trader, symbol }: Subject) {
  const asked = {
    ...times(span),
    bucket: span.bucket,
    time_zone: zone,
    ...(trader === undefined ? {} : { trader_id: trader }),
    ...(symbol === undefined ? {} : { symbol }),
  };
  return queryOptions({
    queryKey: [PERFORMANCE, "series", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("signal_series", asked)
          .select(
            "bucket_start, bucket_end, signals, traded, rejected, expired, trades, wins, realized_pnl::text",
          )
          .abortSignal(signal),
      ),
    refetchInterval: MINUTE,
  });
}

export function breakdownQuery(project: Project, dimension: Dimension, span: Period) {
  const asked = { dimension, ...utcDays(span) };
  return queryOptions({
    queryKey: [PERFORMANCE, "by", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("performance_by", asked)
          .select(
            "key, signals, approved, rejected, expired, traded, trades, wins, losses, win_rate::text, realized_pnl::text, fees::text, profit_factor::text, average_pnl::text",
          )
          .abortSignal(signal),
      ),
    refetchInterval: MINUTE,
  });
}

export function funnelQuery(project: Project, span: Period) {
  const asked = utcDays(span);
  return queryOptions({
    queryKey: [PERFORMANCE, "funnel", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("source_comparison", asked)
          .select("source, signals, approved, rejected, expired, traded, trades, wins, realized_pnl::text")
          .abortSignal(signal),
      ),
    refetchInterval: MINUTE,
  });
}

export function slippageQuery(project: Project, span: Period) {
  const asked = times(span);
  return queryOptions({
    queryKey: [PERFORMANCE, "slippage", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("slippage_summary", asked)
          .select(
            "symbol, entries, filled_whole, fill_rate::text, average_bps::text, p95_bps::text, worst_bps::text, cost::text",
          )
          .abortSignal(signal),
      ),
  });
}

export function latencyQuery(project: Project, span: Period) {
  const asked = times(span);
  return queryOptions({
    queryKey: [PERFORMANCE, "latency", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("step_latencies", asked)
          .select(
            "from_status, to_status, signals, market_p50::text, market_p95::text, database_p50::text, database_p95::text",
          )
          .abortSignal(signal),
      ),
  });
}

/** The traders of whoever is signed in, those that fired most first. */
export function tradersQuery(project: Project) {
  return queryOptions({
    queryKey: [PERFORMANCE, "traders"],
    queryFn: async ({ signal }) =>
      answer(
        await project.from("traders").select("id, name, status").order("total_signals_generated", {
          ascending: false,
        })
          .order("id").limit(1000).abortSignal(signal),
      ),
    staleTime: MINUTE,
  });
}

/** For each pair of these traders: do they fire together, do they win together. */
export function likenessQuery(project: Project, traders: readonly string[], span: Period, days: number) {
  const asked = {
    ...times(span),
    traders: [...traders],
    bucket: days <= 7 ? "1 hour" : days <= 90 ? "6 hours" : "1 day",
  };
  return queryOptions({
    queryKey: [PERFORMANCE, "likeness", asked],
    queryFn: async ({ signal }) =>
      answer(
        await project.rpc("trader_correlation", asked)
          .select(
            "first_trader_id, second_trader_id, signal_correlation::text, pnl_correlation::text, overlap::text",
          )
          .abortSignal(signal),
      ),
    enabled: traders.length >= 2,
  });
}

/** When the latest signal fired, null when there was never one: where to look when a period is empty. */
export function latestQuery(project: Project) {
  return queryOptions({
    queryKey: [PERFORMANCE, "latest"],
    queryFn: async ({ signal }) => {
      const [latest] = answer(
        await project.from("signals").select("triggered_at").order("id", { ascending: false }).limit(1)
          .abortSignal(signal),
      );
      return latest?.triggered_at ?? null;
    },
  });
}
