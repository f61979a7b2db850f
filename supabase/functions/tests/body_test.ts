// A body that is too large is given up while it comes, not after.

import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { readBody } from "../_shared/body.ts";

const LIMITS = { bytes: 1000, rows: 3, depth: 4 };

function request(chunks: Iterable<string | Uint8Array>, headers: Record<string, string> = {}): Request {
  const encoder = new TextEncoder();
  const rest = chunks[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = rest.next();
      if (next.done) return controller.close();
      controller.enqueue(typeof next.value === "string" ? encoder.encode(next.value) : next.value);
    },
  });
  return new Request("http://here", { method: "POST", body, headers });
}
const refusal = (status: number, code: string) => (error: { status: number; code: string }) => {
  same([error.status, error.code], [status, code]);
  return true;
};

Deno.test("a body within limits is its text, wherever its chunks end", async () => {
  const text = '{"signals": ["ä,[{", "\\",,,", {"a": [1, 2, 3, 4, 5]}]}';
  const bytes = new TextEncoder().encode(text);
  const single = Array.from(bytes, (_, place) => bytes.slice(place, place + 1));
  same(await readBody(request(single), LIMITS), text);
  same(await readBody(request([text]), LIMITS), text);
  same(await readBody(new Request("http://here", { method: "POST" }), LIMITS), "");
});

Deno.test("what is announced as too large is not read at all", async () => {
  function* never(): Generator<string> {
    yield '{"';
    throw new Error("the body was read");
  }
  await rejects(readBody(request(never(), { "content-length": "1001" }), LIMITS), refusal(413, "too_large"));
});

Deno.test("an endless body ends at the limit", async () => {
  let sent = 0;
  function* endless(): Generator<string> {
    for (;; sent += 1) yield " ".repeat(100);
  }
  await rejects(readBody(request(endless()), LIMITS), refusal(413, "too_large"));
  same(sent < 20, true);
});

Deno.test("one row too many ends the reading", async () => {
  let sent = 0;
  function* rows(): Generator<string> {
    yield '{"signals": [{}';
    for (;; sent += 1) yield ", {}";
  }
  await rejects(readBody(request(rows()), LIMITS), refusal(413, "too_many_rows"));
  same(sent < 20, true);
});

Deno.test("depth has its limit", async () => {
  await rejects(readBody(request(["[[[[[[[["]), LIMITS), refusal(400, "too_deep"));
});

Deno.test("what is no UTF-8 is no text", async () => {
  await rejects(readBody(request([new Uint8Array([0x22, 0xff, 0x22])]), LIMITS), refusal(400, "bad_body"));
});
