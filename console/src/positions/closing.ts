/** What closing by hand will do, said before it is done: which positions, how much of them, where. */
import { formatDecimal } from "../kit/money.tsx";
import type { Account, Holding } from "./holdings.ts";

export type Closing =
  | { readonly kind: "position"; readonly position: Holding }
  | { readonly kind: "account"; readonly account: Account }
  | { readonly kind: "everything" };

export interface Plan {
  readonly title: string;
  readonly action: string;
  /** Account by account what will happen there. */
  readonly accounts: readonly {
    readonly id: string;
    readonly where: string;
    readonly halts: boolean;
    readonly positions: readonly { readonly id: string; readonly what: string }[];
  }[];
  /** Ids of all positions that it closes. */
  readonly positions: readonly string[];
}

export function planClosing(
  closing: Closing,
  holdings: readonly Holding[],
  accounts: readonly Account[],
): Plan {
  const affected = closing.kind === "position"
    ? accounts.filter((one) => one.id === closing.position.account_id)
    : closing.kind === "account"
    ? [closing.account]
    : accounts;
  const told = affected.map((account) => {
    const held = closing.kind === "position"
      ? [closing.position]
      : holdings.filter((one) => one.account_id === account.id);
    return {
      id: account.id,
      where: `${account.name}: ${account.venue}, ${account.market}${
        account.sandbox ? ", no real money" : ", real money"
      }`,
      halts: closing.kind !== "position",
      positions: held.map((one) => ({ id: one.id, what: exitOf(one) })),
    };
  });
  const positions = told.flatMap((one) => one.positions.map((position) => position.id));
  const many = `${positions.length} ${positions.length === 1 ? "position" : "positions"}`;
  switch (closing.kind) {
    case "position":
      return {
        title: `Close ${closing.position.symbol} ${closing.position.side}?`,
        action: "Close it at the market",
        accounts: told,
        positions,
      };
    case "account":
      return {
        title: `Close everything on ${closing.account.name}?`,
        action: `Halt it and close ${many}`,
        accounts: told,
        positions,
      };
    case "everything":
      return {
        title: "Close everything on every account?",
        action: `Halt ${told.length} ${told.length === 1 ? "account" : "accounts"} and close ${many}`,
        accounts: told,
        positions,
      };
  }
}

/** `sell 2.486 ETHUSDT (long from 1 722.33)`. */
function exitOf(one: Holding): string {
  const entry = one.entry_average === null ? "" : ` from ${formatDecimal(one.entry_average)}`;
  return `${one.side === "long" ? "sell" : "buy back"} ${
    formatDecimal(one.amount)
  } ${one.symbol} (${one.side}${entry})`;
}
