// Signals of the user who asks, by any combination of filters, page by page:
//
//   GET ?trader=…&symbol=BTCUSDT,ETHUSDT&status=ready&from=2026-11-20&search=rsi&limit=50&cursor=…
//   200 {"rows": [...], "next_cursor": "…" or null, "looked_until": time}
//
// Pages that reach into the last day and were just read come from a cache. The database is asked with the caller's token
// each time whether one still holds, so nobody sees another's page: it is dropped as soon as a signal of the last day was
// recorded or changed its status, and after two seconds in any case. Until then it may miss what changes otherwise: a
// price, a profit, tags, a signal of days ago. `Cache-Control: no-cache` goes past it.

import { z } from "zod";
import { databaseOf } from "../_shared/database.ts";
import { columns, filters, readParameters, single, toDatabase } from "../_shared/parameters.ts";
import { serve } from "../_shared/serve.ts";
import { keyOf, type Page, PageCache } from "./cache.ts";

const OLDEST_PAGE_MS = 2000;
const HOT_HOURS = 24;
const HOUR_MS = 3_600_000;
// A search for something rare answers empty pages for a while; so long it goes on by itself.
const LOOK_ON_MS = 1500;

const schema = z.object({
  ...filters,
  columns,
  order: single(z.enum(["newest", "oldest"], "must be newest or oldest")),
  limit: single(
    z.string().regex(/^([1-9]\d{0,2}|1000)$/, "must be a whole number from 1 to 1000").transform(Number),
  ),
  cursor: single(z.string().regex(/^[A-Za-z0-9_-]{56}$/, "must be the next_cursor of the page before")),
});

const cache = new PageCache({ entries: 500, bytes: 32 * 1024 * 1024, milliseconds: OLDEST_PAGE_MS });

interface Found {
  rows: unknown[];
  next_cursor: string | null;
}

async function query(request: Request): Promise<Response> {
  const given = readParameters(request.url, schema);
  const database = databaseOf(request);
  const question = {
    ...toDatabase(given),
    columns: given.columns,
    newest_first: given.order !== "oldest",
    page_size: given.limit ?? 100,
    cursor: given.cursor,
  };

  // The same moment for everyone within an hour, so that pages are found again.
  const since = Math.floor(Date.now() / HOUR_MS - HOT_HOURS) * HOUR_MS;
  const hot = given.to === undefined || Date.parse(given.to) > since;
  const readAt = performance.now();
  const { user_id, version } = hot
    ? JSON.parse(await database.call("signals_version", { since: new Date(since).toISOString() }))
    : { user_id: null, version: null };
  const key = keyOf(user_id, { ...question, since });
  const wantsFresh = /\bno-cache\b/i.test(request.headers.get("cache-control") ?? "");
  const known = hot && !wantsFresh ? cache.get(key, version) : undefined;
  if (known !== undefined) return toResponse(request, known, "hit");

  const body = await look(database.call, question);
  const page: Page = { body, etag: await tagOf(body) };
  if (hot) cache.set(key, version, page, readAt);
  return toResponse(request, page, "miss");
}

/** Reads a page; where nothing was found in a while of looking, goes on a little. */
async function look(
  call: (name: string, parameters: unknown) => Promise<string>,
  question: Record<string, unknown>,
): Promise<string> {
  const until = performance.now() + LOOK_ON_MS;
  for (let cursor = question.cursor;;) {
    const body = await call("query_signals", { ...question, cursor });
    const found: Found = JSON.parse(body);
    if (found.rows.length > 0 || found.next_cursor === null || performance.now() > until) return body;
    cursor = found.next_cursor;
  }
}

async function tagOf(body: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body));
  return `"${new Uint8Array(hash).toHex().slice(0, 32)}"`;
}

function toResponse(request: Request, page: Page, found: "hit" | "miss"): Response {
  const headers = {
    "content-type": "application/json",
    // A browser keeps it for this user only, and asks each time whether it is still true.
    "cache-control": "private, no-cache",
    "vary": "Authorization",
    "etag": page.etag,
    "x-cache": found,
  };
  const known = (request.headers.get("if-none-match") ?? "").split(",").map((tag) =>
    tag.trim().replace(/^W\//, "")
  );
  if (known.includes(page.etag)) return new Response(null, { status: 304, headers });
  return new Response(page.body, { headers });
}

export default serve(["GET"], query);
