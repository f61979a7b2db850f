// The functions' reasons are those that SQL and Python have.

import { deepStrictEqual as same } from "node:assert/strict";
import { OUTCOMES } from "../_shared/lifecycle.ts";

const vectors = JSON.parse(
  await Deno.readTextFile(new URL("../../../tests/vectors/lifecycle.json", import.meta.url)),
);

Deno.test("every reason ends a signal in the same status as everywhere", () => {
  const told = Object.entries(OUTCOMES).flatMap(([status, codes]) => codes.map((code) => [code, status]));
  same(Object.fromEntries(told), vectors.outcomes);
});
