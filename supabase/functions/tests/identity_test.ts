// The common vectors that hold SQL, Python and TypeScript together.

import { deepStrictEqual as same, rejects, throws } from "node:assert/strict";
import { signalId, triggeredMs } from "../_shared/identity.ts";

interface Vector {
  trader_id: string;
  symbol: string;
  interval: string;
  triggered_at_ms: number;
  id: string;
}
const vectors: Vector[] = JSON.parse(
  await Deno.readTextFile(new URL("../../../tests/vectors/signal_ids.json", import.meta.url)),
);
const TRADER = "11111111-1111-4111-8111-111111111111";

Deno.test("every common vector has its id, and the id its time", async () => {
  for (const { trader_id, symbol, interval, triggered_at_ms, id } of vectors) {
    same(await signalId(trader_id, symbol, interval, triggered_at_ms), id);
    same(await signalId(trader_id.toUpperCase(), symbol, interval, new Date(triggered_at_ms)), id);
    same(triggeredMs(id), triggered_at_ms);
  }
});

Deno.test("names and times that are none are refused", async () => {
  await rejects(signalId(TRADER, "BTC|USDT", "1m", 0), /must not contain "\|"/);
  await rejects(signalId(TRADER, "", "1m", 0), /must not be empty/);
  await rejects(signalId("trader", "BTCUSDT", "1m", 0), /no UUID/);
  await rejects(signalId(TRADER, "BTCUSDT", "1m", 2 ** 48), /48 bits/);
  await rejects(signalId(TRADER, "BTCUSDT", "1m", 1.5), /48 bits/);
  await rejects(signalId(TRADER, "BTCUSDT", "1m", new Date(NaN)), /48 bits/);
  throws(() => triggeredMs(TRADER), /version 8/);
});
