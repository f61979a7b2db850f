import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { closeOptimistically, OPEN_POSITIONS } from "./close-dialog.tsx";
import { planClosing } from "./closing.ts";
import type { Holding } from "./holdings.ts";
import { tellAccount, tellHolding } from "./sample.ts";

const PAPER = tellAccount();
const REAL = tellAccount({ id: "a2", name: "Main", venue: "binance", sandbox: false });
const HELD = [
  tellHolding(),
  tellHolding({ id: "p2", symbol: "BTCUSDT", side: "short", amount: "0.001", entry_average: "97000.5" }),
  tellHolding({ id: "p3", account_id: "a2", symbol: "XRPUSDT" }),
];

test("one position: its size, its side and its venue, and the account goes on", () => {
  const plan = planClosing({ kind: "position", position: HELD[1]! }, HELD, [PAPER, REAL]);
  expect(plan.positions).toEqual(["p2"]);
  expect(plan.accounts).toEqual([{
    id: "a1",
    where: "Paper: paper, usdm, no real money",
    halts: false,
    positions: [{ id: "p2", what: "buy back 0.001 BTCUSDT (short from 97\u202f000.5)" }],
  }]);
});

test("an account: all that it holds, nothing of another, and that it halts", () => {
  const plan = planClosing({ kind: "account", account: PAPER }, HELD, [PAPER, REAL]);
  expect(plan.positions).toEqual(["p1", "p2"]);
  expect(plan.accounts.map((one) => [one.id, one.halts])).toEqual([["a1", true]]);
  expect(plan.action).toBe("Halt it and close 2 positions");
});

test("everything: every account, also those that hold nothing, and which has real money", () => {
  const empty = tellAccount({ id: "a3", name: "Idle" });
  const plan = planClosing({ kind: "everything" }, HELD, [PAPER, REAL, empty]);
  expect(plan.positions).toEqual(["p1", "p2", "p3"]);
  expect(plan.accounts.map((one) => one.positions.length)).toEqual([2, 1, 0]);
  expect(plan.accounts[1]!.where).toBe("Main: binance, usdm, real money");
  expect(plan.action).toBe("Halt 3 accounts and close 3 positions");
});

test("what is being closed shows at once, and is as it was when the database refuses", async () => {
  const queries = new QueryClient();
  const leaving = tellHolding({ id: "p2", exit_reason: "time_exit" });
  queries.setQueryData(OPEN_POSITIONS, [HELD[0], leaving, HELD[2]]);
  const shown = () => queries.getQueryData<Holding[]>(OPEN_POSITIONS)!.map((one) => one.exit_reason);
  const plan = { positions: ["p1", "p2"] };

  await closeOptimistically(queries, plan, () => {
    expect(shown()).toEqual(["manual_close", "time_exit", null]);
    return Promise.resolve();
  });
  expect(shown()).toEqual(["manual_close", "time_exit", null]);

  queries.setQueryData(OPEN_POSITIONS, [HELD[0], leaving, HELD[2]]);
  await expect(closeOptimistically(queries, plan, () => Promise.reject(new Error("say why")))).rejects
    .toThrow("say why");
  expect(shown()).toEqual([null, "time_exit", null]);
});
