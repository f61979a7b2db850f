/** Traders as the console reads them: money as exact text. */
import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";

const Exact = z.string().nullable();

export const Trader = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(["active", "paused", "deleted"]),
  market: z.string(),
  symbols: z.array(z.string()),
  interval: z.string(),
  side: z.enum(["long", "short"]),
  strategy: z.string(),
  conditions: z.array(z.string()),
  ai_analysis_limit: z.number().nullable(),
  min_confidence: z.string(),
  monitoring_interval_seconds: z.number(),
  default_exchange_account_id: z.string().nullable(),
  position_size_type: z.string(),
  position_size_value: Exact,
  max_concurrent_positions: z.number(),
  stop_loss_type: Exact,
  stop_loss_value: Exact,
  take_profit_type: Exact,
  take_profit_value: Exact,
  trailing_stop_type: Exact,
  trailing_stop_value: Exact,
  max_holding_seconds: z.number().nullable(),
  total_signals_generated: z.number(),
  total_trades_executed: z.number(),
  winning_trades: z.number(),
  total_pnl: z.string(),
  updated_at: z.string(),
});
export type Trader = z.infer<typeof Trader>;

// What is no whole number comes as text.
const EXACT = new Set([
  "min_confidence",
  "position_size_value",
  "stop_loss_value",
  "take_profit_value",
  "trailing_stop_value",
  "total_pnl",
]);
export const COLUMNS = Object.keys(Trader.shape).map((one) => EXACT.has(one) ? `${one}::text` : one).join(
  ",",
);

/** More traders than anybody looks through; the page says so when there are more. */
export const MOST = 1000;
export const TRADERS = ["traders"] as const;

export function useTraders() {
  const project = useProject();
  return useQuery({
    queryKey: TRADERS,
    queryFn: ({ signal }) => readTraders(project, signal),
    refetchInterval: 60_000,
  });
}

export function useTrader(id: string) {
  const project = useProject();
  return useQuery({
    queryKey: [...TRADERS, id],
    queryFn: async ({ signal }) => {
      const rows = answer(
        await project.from("traders").select(COLUMNS).eq("id", id).abortSignal(signal).limit(1),
      );
      return z.array(Trader).parse(rows)[0] ?? null;
    },
  });
}

async function readTraders(project: Project, signal: AbortSignal): Promise<Trader[]> {
  const rows = answer(
    await project.from("traders").select(COLUMNS).neq("status", "deleted").order("name").limit(MOST)
      .abortSignal(signal),
  );
  return z.array(Trader).parse(rows);
}

const Account = z.object({
  id: z.string(),
  name: z.string(),
  venue: z.string(),
  market: z.string(),
  permissions: z.string(),
});
export type Account = z.infer<typeof Account>;

/** The accounts that a trader may trade on. */
export function useAccounts() {
  const project = useProject();
  return useQuery({
    queryKey: ["accounts", "of-traders"],
    queryFn: async ({ signal }) =>
      z.array(Account).parse(answer(
        await project.from("exchange_accounts").select("id,name,venue,market,permissions").order("name")
          .abortSignal(signal),
      )),
  });
}

const Worth = z.object({
  key: z.string(),
  signals: z.number(),
  realized_pnl: Exact,
});
export type Worth = z.infer<typeof Worth>;

/** What each trader was worth between two UTC days, by its id. */
export function useWorth(from: string, to: string) {
  const project = useProject();
  return useQuery({
    queryKey: ["worth", from, to],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const rows = answer(
        await project.rpc("performance_by", { dimension: "trader", from_day: from, to_day: to })
          .select("key,signals,realized_pnl::text")
          .abortSignal(signal),
      );
      return new Map(z.array(Worth).parse(rows).map((row) => [row.key, row]));
    },
  });
}

/** A UTC day, so many days ago. */
export function dayAgo(days: number, now = new Date()): string {
  return new Date(now.getTime() - days * 86_400_000).toISOString().slice(0, 10);
}
