/** What is held, what was held, and the accounts and traders that it is of: as the database tells it. */
import { answer } from "../app/failure.ts";
import type { Database } from "../database.types.ts";
import type { Project } from "../project.ts";
import { after, type PositionsSearch, readCursor } from "./search.ts";

/** One page of a list. */
export const PAGE_ROWS = 50;

type Told = Database["public"]["Functions"]["open_positions"]["Returns"][number];
export interface Guard {
  readonly status: string;
  readonly amount: string;
  readonly trigger_price: string | null;
  readonly managed_by: string;
}
type Unknown =
  | "entry_average"
  | "take_profit"
  | "trailing_percent"
  | "liquidation_price"
  | "exit_reason"
  | "closes_at"
  | "price"
  | "price_source"
  | "price_at"
  | "unprotected_since"
  | "unprotected_reason"
  | "margin_warning"
  | "margin_warned_at";
/** An open position; what may not be known is null. */
export type Holding = Omit<Told, Unknown | "stop" | "take"> & { [Name in Unknown]: string | null } & {
  readonly stop: Guard | null;
  readonly take: Guard | null;
};

export async function readHoldings(project: Project): Promise<Holding[]> {
  return answer(await project.rpc("open_positions")) as unknown as Holding[];
}

/** Those of them that the address asks for. */
export function choose(holdings: readonly Holding[], search: PositionsSearch): Holding[] {
  return holdings.filter((one) =>
    (search.account === undefined || one.account_id === search.account) &&
    (search.trader === undefined || one.trader_id === search.trader) &&
    (search.symbol === undefined || one.symbol === search.symbol) &&
    (search.side === undefined || one.side === search.side)
  );
}

const CLOSED =
  "id, signal_id, trader_id, account_id, symbol, normalised_symbol, side, exit_reason, close_state, opened_at, closed_at," +
  "entry_amount::text, entry_average::text, exit_average::text, fees::text, realized_pnl::text";
export interface ClosedPosition {
  readonly id: string;
  readonly signal_id: string;
  readonly trader_id: string;
  readonly account_id: string;
  readonly symbol: string;
  readonly normalised_symbol: string;
  readonly side: "long" | "short";
  readonly exit_reason: string;
  readonly close_state: string;
  readonly opened_at: string;
  readonly closed_at: string;
  readonly entry_amount: string;
  readonly entry_average: string | null;
  readonly exit_average: string | null;
  readonly fees: string;
  readonly realized_pnl: string;
}

/** A page of closed positions, by when they were opened, newest first; one row more than a page when there are more. */
export async function readClosed(project: Project, search: PositionsSearch): Promise<ClosedPosition[]> {
  let query = project.from("positions").select(CLOSED).eq("status", "closed");
  if (search.account) query = query.eq("account_id", search.account);
  if (search.trader) query = query.eq("trader_id", search.trader);
  if (search.symbol) query = query.eq("symbol", search.symbol);
  if (search.side) query = query.eq("side", search.side);
  const cursor = readCursor(search.before);
  if (cursor) query = query.or(after("opened_at", cursor));
  const rows = answer(
    await query.order("opened_at", { ascending: false }).order("id", { ascending: false }).limit(
      PAGE_ROWS + 1,
    ),
  );
  return rows as unknown as ClosedPosition[];
}

export interface Account {
  readonly id: string;
  readonly name: string;
  readonly venue: string;
  readonly market: string;
  readonly sandbox: boolean;
  readonly status: string;
}

export async function readAccounts(project: Project): Promise<Account[]> {
  return answer(
    await project.from("exchange_accounts").select("id, name, venue, market, sandbox, status").order("name"),
  );
}

export async function readTraders(project: Project): Promise<{ id: string; name: string }[]> {
  return answer(await project.from("traders").select("id, name").order("name"));
}
