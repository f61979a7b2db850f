/** Orders, newest first, a page at a time. */
import { answer } from "../app/failure.ts";
import { after, type PositionsSearch, readCursor } from "../positions/search.ts";
import type { Project } from "../project.ts";
import type { OrderStatus } from "./state.ts";

export const PAGE_ROWS = 50;

const COLUMNS =
  "id, signal_id, trader_id, account_id, symbol, leg, attempt, status, side, kind, managed_by, amount::text, price::text," +
  "trigger_price::text, filled::text, average::text, fees::text, code, message, intended_at, status_at";

export interface Order {
  readonly id: string;
  readonly signal_id: string;
  readonly trader_id: string;
  readonly account_id: string;
  readonly symbol: string;
  readonly leg: string;
  readonly attempt: number;
  readonly status: OrderStatus;
  readonly side: string;
  readonly kind: string;
  readonly managed_by: string;
  readonly amount: string;
  readonly price: string | null;
  readonly trigger_price: string | null;
  readonly filled: string;
  readonly average: string | null;
  readonly fees: string;
  readonly code: string | null;
  readonly message: string | null;
  readonly intended_at: string;
  readonly status_at: string;
}

/** A page of what the address asks for; one row more than a page when there are more. */
export async function readOrders(project: Project, search: PositionsSearch): Promise<Order[]> {
  let query = project.from("orders").select(COLUMNS);
  if (search.account) query = query.eq("account_id", search.account);
  if (search.trader) query = query.eq("trader_id", search.trader);
  if (search.symbol) query = query.eq("symbol", search.symbol);
  if (search.status?.length) query = query.in("status", search.status);
  // An order to sell opens a short, or closes a long.
  if (search.side) {
    query = query.or(
      search.side === "long"
        ? "and(leg.eq.entry,side.eq.buy),and(leg.neq.entry,side.eq.sell)"
        : "and(leg.eq.entry,side.eq.sell),and(leg.neq.entry,side.eq.buy)",
    );
  }
  const cursor = readCursor(search.before);
  if (cursor) query = query.or(after("intended_at", cursor));
  const rows = answer(
    await query.order("intended_at", { ascending: false }).order("id", { ascending: false }).limit(
      PAGE_ROWS + 1,
    ),
  );
  return rows as unknown as Order[];
}

/** Orders of which nobody knows what became of them. */
export async function readUnresolved(project: Project): Promise<Order[]> {
  const rows = answer(
    await project.from("orders").select(COLUMNS).eq("status", "unresolved").eq("is_live", true)
      .order("intended_at", { ascending: false }).limit(200),
  );
  return rows as unknown as Order[];
}

/** How many orders of an account may fill yet. */
export async function countRestingOrders(project: Project, account: string): Promise<number> {
  const said = await project.from("orders").select("id", { count: "exact", head: true })
    .eq("account_id", account).eq("is_live", true);
  answer({ ...said, data: true });
  return said.count ?? 0;
}
