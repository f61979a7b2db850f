// Signals from browsers and other outside sources, with the user's own token:
//
//   POST {"signals": [{trader_id, symbol, interval, triggered_at, side, price, …}], "request_id": uuid}
//   200  {"inserted", "duplicates", "rejected": [{index, code, message}], "held_back"}
//
// It checks shapes and sizes, and calls the same function of the database as everyone else.

import { readBody } from "../_shared/body.ts";
import { databaseOf } from "../_shared/database.ts";
import { parseExactly } from "../_shared/json.ts";
import { Refusal } from "../_shared/refusal.ts";
import { serve } from "../_shared/serve.ts";
import { mergeRejections, readBatch, type Rejection, sortRows } from "./batch.ts";

const LIMITS = { bytes: 2 * 1024 * 1024, rows: 1000, depth: 32 };

interface Ingested {
  inserted: number;
  duplicates: number;
  rejected: Rejection[];
}

async function ingest(request: Request): Promise<Response> {
  const database = databaseOf(request);
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new Refusal(415, "not_json", `send application/json, not ${type || "nothing"}`);
  }
  const batch = readBatch(parse(await readBody(request, LIMITS)));
  const sorted = sortRows(batch.rows);
  // Also when no row is left: whether this user may call, and whether this request was answered before, is asked there.
  const answer: Ingested = JSON.parse(
    await database.call("ingest_signals", { signals: sorted.sound, request_id: batch.requestId }),
  );
  return Response.json({ ...answer, rejected: mergeRejections(sorted, answer.rejected) }, {
    headers: { "cache-control": "no-store" },
  });
}

function parse(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new Refusal(400, "bad_json", `the body is no JSON: ${error.message}`);
    }
    throw error;
  }
}

export default serve(["POST"], ingest);
