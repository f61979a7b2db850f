/** What the page of positions and orders shows is all in its address. */
import { z } from "zod";
import { ORDER_STATUSES } from "../orders/state.ts";

/** What cannot be read in an address is left out, never an error. */
export const PositionsSearch = z.object({
  view: z.enum(["open", "closed", "orders"]).optional().catch(undefined),
  account: z.uuid().optional().catch(undefined),
  trader: z.uuid().optional().catch(undefined),
  symbol: z.string().regex(/^[A-Z0-9/:_-]{1,40}$/).optional().catch(undefined),
  side: z.enum(["long", "short"]).optional().catch(undefined),
  /** Of orders: only these. */
  status: z.array(z.enum(ORDER_STATUSES)).optional().catch(undefined),
  /** What is older than this comes, see `Cursor`. */
  before: z.string().max(80).optional().catch(undefined),
});
export type PositionsSearch = z.infer<typeof PositionsSearch>;

/** Where a page of a list ends: a time and an id, which together come once. */
export interface Cursor {
  readonly at: string;
  readonly id: string;
}

export function writeCursor({ at, id }: Cursor): string {
  return `${at}~${id}`;
}

/** The cursor that an address holds, null for none and for what is none. */
export function readCursor(text: string | undefined): Cursor | null {
  const [at, id, more] = text?.split("~") ?? [];
  if (!at || !id || more !== undefined) return null;
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(at) || !/^[0-9a-f-]{36}$/.test(id)) return null;
  return { at, id };
}

/** PostgREST's condition for what comes after a cursor, newest first. */
export function after(column: string, { at, id }: Cursor): string {
  return `${column}.lt."${at}",and(${column}.eq."${at}",id.lt.${id})`;
}
