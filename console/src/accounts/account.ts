/** Accounts as the database tells them: whose they are, what they may, how they stand. Never a key. */
import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Database } from "../database.types.ts";
import type { Project } from "../project.ts";

export type AccountStatus = Database["public"]["Enums"]["account_status"];

// Whoever asks for every column asks for the ciphertext too, and is refused.
const COLUMNS =
  "id, name, venue, market, sandbox, permissions, status, settings, key_version, key_number, key_info, lease_machine, leased_until, created_at";

/** What a venue said of a key when it was asked last; what it did not say is not there. */
const KeyInfo = z.object({
  may_trade: z.boolean().optional().catch(undefined),
  may_withdraw: z.boolean().optional().catch(undefined),
  ip_restricted: z.boolean().optional().catch(undefined),
  expires_at: z.string().optional().catch(undefined),
});

const Account = z.object({
  id: z.string(),
  name: z.string(),
  venue: z.string(),
  market: z.string(),
  sandbox: z.boolean(),
  permissions: z.enum(["read", "trade"]),
  status: z.enum(["active", "reducing", "halted"]),
  settings: z.record(z.string(), z.json()),
  key_version: z.number().nullable(),
  key_number: z.number(),
  key_info: KeyInfo.catch({}),
  lease_machine: z.string().nullable(),
  leased_until: z.string().nullable(),
  created_at: z.string(),
});
export type Account = z.infer<typeof Account>;

export const STATUS_MEANS: Record<AccountStatus, string> = {
  active: "Trades.",
  reducing: "Opens nothing new, lets open positions run to their end.",
  halted: "Opens nothing new and closes what is open.",
};

/** Everything of accounts that is asked for begins with this key, so that one word makes all of it be read again. */
export const ACCOUNTS = "accounts";

export function accountsQuery(project: Project) {
  return queryOptions({
    queryKey: [ACCOUNTS, "list"],
    queryFn: async ({ signal }) =>
      z.array(Account).parse(
        answer(
          await project.from("exchange_accounts").select(COLUMNS).order("name").order("id").abortSignal(
            signal,
          ),
        ),
      ),
    // Leases end and begin without a word.
    refetchInterval: 15_000,
  });
}

export function riskQuery(project: Project, account: string) {
  return queryOptions({
    queryKey: [ACCOUNTS, account, "risk"],
    queryFn: async ({ signal }) => {
      const [use] = answer(
        await project.rpc("risk_use", { account_id: account })
          .select(
            "daily_loss::text, drawdown::text, open_loss::text, positions, notional::text, orders_last_minute, total::text",
          )
          .abortSignal(signal),
      );
      const [limits] = answer(
        await project.from("risk_limits")
          .select(
            "max_positions, max_notional::text, max_symbol_notional::text, max_daily_loss::text, max_drawdown::text, max_orders_per_minute, reduce_at_percent",
          )
          .eq("account_id", account).abortSignal(signal),
      );
      return { use: use ?? null, limits: limits ?? null };
    },
    refetchInterval: 10_000,
  });
}

/** Limits of an account; null is no limit. */
export interface Limits {
  readonly max_positions: number | null;
  readonly max_notional: string | null;
  readonly max_symbol_notional: string | null;
  readonly max_daily_loss: string | null;
  readonly max_drawdown: string | null;
  readonly max_orders_per_minute: number | null;
  readonly reduce_at_percent: number;
}

export function walletQuery(project: Project, account: string) {
  return queryOptions({
    queryKey: [ACCOUNTS, account, "wallet"],
    queryFn: async ({ signal }) =>
      answer(
        await project.from("account_differences")
          .select(
            "day, currency, venue_to::text, venue_change::text, recorded_change::text, difference::text, rounding::text, since, looked_at",
          )
          .eq("account_id", account).order("day", { ascending: false }).order("currency").limit(60)
          .abortSignal(signal),
      ),
  });
}

export const TRAIL_PAGE = 50;

/** The trail of one account, the latest first, `before` an event's number. */
export async function readTrail(
  project: Project,
  account: string,
  before: number | null,
  signal: AbortSignal,
) {
  let query = project.from("account_events").select("id, event_type, actor, details, created_at")
    .eq("account_id", account).order("id", { ascending: false }).limit(TRAIL_PAGE);
  if (before !== null) query = query.lt("id", before);
  return answer(await query.abortSignal(signal));
}

/** Sets an account's risk state; the reason stays in its trail. */
export async function setStatus(project: Project, account: string, status: AccountStatus, why: string) {
  return answer(await project.rpc("set_account_status", { account_id: account, status, why }));
}

/** Sets limits of an account; null lifts one, and those that are not named stay. */
export async function setLimits(project: Project, account: string, limits: Record<string, string | null>) {
  return answer(await project.rpc("set_risk_limits", { account_id: account, limits }));
}
