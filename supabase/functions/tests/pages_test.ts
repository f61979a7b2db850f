// An export holds one page beside the one that is sent, and stops when nobody reads.

import { deepStrictEqual as same, ok, rejects } from "node:assert/strict";
import { type ExportPage, toStream } from "../export-signals/pages.ts";

function source(pages: ExportPage[]) {
  const asked: (string | null)[] = [];
  const signals: AbortSignal[] = [];
  return {
    asked,
    signals,
    head: "head\n",
    read(before: string | null, signal: AbortSignal) {
      asked.push(before);
      signals.push(signal);
      return Promise.resolve(pages[asked.length - 1]);
    },
  };
}

Deno.test("all pages come in order, empty ones are stepped over", async () => {
  const from = source([
    { body: "a\nb\n", next: "1" },
    { body: "", next: "2" },
    { body: "", next: "3" },
    { body: "c\n", next: "4" },
    { body: "", next: null },
  ]);
  same(await new Response(toStream(from)).text(), "head\na\nb\nc\n");
  same(from.asked, [null, "1", "2", "3", "4"]);
});

Deno.test("nothing at all is a head and an end", async () => {
  same(await new Response(toStream(source([{ body: "", next: null }]))).text(), "head\n");
});

Deno.test("pages are read no further ahead than two while the client takes its time", async () => {
  const endless = Array.from({ length: 1000 }, (_, n) => ({ body: `${n}\n`, next: `${n}` }));
  const from = source(endless);
  const reader = toStream(from).getReader();
  for (let taken = 0; taken < 10; taken += 1) await reader.read();
  await Promise.resolve();
  ok(from.asked.length <= 12, `${from.asked.length} pages for 10 chunks`);
  await reader.cancel();
});

Deno.test("a client that goes away ends the reading, also of the page under way", async () => {
  const waiting = Promise.withResolvers<AbortSignal>();
  const stream = toStream({
    head: "head\n",
    read: (_, signal) => {
      waiting.resolve(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  const reader = stream.getReader();
  await reader.read();
  const signal = await waiting.promise;
  await reader.cancel("gone");
  same([signal.aborted, signal.reason], [true, "gone"]);
});

Deno.test("an error on the way breaks the stream off", async () => {
  const stream = toStream({
    head: "",
    read: (before) =>
      before === null
        ? Promise.resolve({ body: "a\n", next: "1" })
        : Promise.reject(new Error("database gone")),
  });
  await rejects(new Response(stream).text(), /database gone/);
});
