// The cache of hot pages: bounded, short-lived, and never somebody else's.

import { deepStrictEqual as same, notDeepStrictEqual as different } from "node:assert/strict";
import { keyOf, PageCache } from "../query-signals/cache.ts";

const page = (body: string) => ({ body, etag: `"${body}"` });

Deno.test("a page is found while its version and its time hold", () => {
  let now = 0;
  const cache = new PageCache({ entries: 10, bytes: 1e6, milliseconds: 2000 }, () => now);
  cache.set("k", "v1", page("one"), 0);
  same(cache.get("k", "v1")?.body, "one");
  now = 1999;
  same(cache.get("k", "v1")?.body, "one");
  now = 2000;
  same(cache.get("k", "v1"), undefined);
  same([cache.size, cache.bytes], [0, 0]);
});

Deno.test("a page ages from before it was read, not from when it was kept", () => {
  let now = 1500;
  const cache = new PageCache({ entries: 10, bytes: 1e6, milliseconds: 2000 }, () => now);
  cache.set("k", "v", page("one"), 0);
  now = 2000;
  same(cache.get("k", "v"), undefined);
});

Deno.test("another version drops the page for good", () => {
  const cache = new PageCache({ entries: 10, bytes: 1e6, milliseconds: 2000 }, () => 0);
  cache.set("k", "v1", page("one"), 0);
  same(cache.get("k", "v2"), undefined);
  same(cache.get("k", "v1"), undefined);
});

Deno.test("the least lately used goes first, by number and by size", () => {
  const few = new PageCache({ entries: 2, bytes: 1e6, milliseconds: 2000 }, () => 0);
  few.set("a", "v", page("a"), 0);
  few.set("b", "v", page("b"), 0);
  few.get("a", "v");
  few.set("c", "v", page("c"), 0);
  same([few.get("a", "v")?.body, few.get("b", "v"), few.get("c", "v")?.body], ["a", undefined, "c"]);

  const small = new PageCache({ entries: 100, bytes: 1000, milliseconds: 2000 }, () => 0);
  for (const key of ["a", "b", "c"]) small.set(key, "v", page("x".repeat(200)), 0);
  same([small.size, small.bytes <= 1000], [2, true]);
  small.set("huge", "v", page("x".repeat(600)), 0);
  same([small.get("huge", "v"), small.size], [undefined, 2]);
});

Deno.test("a key is one user's one question, whatever the order of its parts", () => {
  const key = keyOf("ann", { a: 1, b: ["x"], c: undefined });
  same(keyOf("ann", { b: ["x"], a: 1 }), key);
  different(keyOf("bob", { a: 1, b: ["x"] }), key);
  different(keyOf("ann", { a: 1, b: ["x", "y"] }), key);
  different(keyOf("ann", { a: 1, b: ["x,y"] }), keyOf("ann", { a: 1, b: ["x", "y"] }));
});
