// Every signal that a filter shows, as a file: GET ?format=csv|ndjson and the filters of query-signals.
//
// The newest come first. X-Total-Count says before the first row how many to expect; it is missing when counting would
// take longer than making the file. A file that breaks off is not whole: the connection then ends with an error.
// Money and every number inside of documents are the database's own text, never a float.

import { z } from "zod";
import { databaseOf } from "../_shared/database.ts";
import { columns, filters, readParameters, single, toDatabase } from "../_shared/parameters.ts";
import { serve } from "../_shared/serve.ts";
import { type ExportPage, toStream } from "./pages.ts";

const PAGE_SIZE = 5000;
const COLUMNS = [
  "id",
  "name",
  "triggered_at",
  "trader_id",
  "trader",
  "symbol",
  "normalised_symbol",
  "interval",
  "side",
  "source",
  "machine",
  "status",
  "outcome_code",
  "initial_price",
  "current_price",
  "total_pnl",
  "analysis_confidence",
  "analyzed_at",
  "ready_at",
  "position_opened_at",
  "closed_at",
  "tags",
  "matched_conditions",
  "original_signal",
  "analysis_result",
  "analysis_trade_plan",
  "created_at",
];
const TYPES = { csv: "text/csv; charset=utf-8; header=present", ndjson: "application/x-ndjson" };

const schema = z.object({
  ...filters,
  columns,
  format: single(z.enum(["csv", "ndjson"], "must be csv or ndjson")),
});

async function exportSignals(request: Request): Promise<Response> {
  const given = readParameters(request.url, schema);
  const database = databaseOf(request);
  const format = given.format ?? "csv";
  const wanted = given.columns ?? COLUMNS;
  // The newest end is fixed now, so that the file ends however many signals arrive.
  const asked = toDatabase({ ...given, to: given.to ?? new Date(Date.now() + 86_400_000).toISOString() });
  const question = { ...asked, columns: wanted, shape: format, page_size: PAGE_SIZE };

  // The database writes the lines: here they only pass through.
  async function read(before: string | null, signal?: AbortSignal): Promise<ExportPage> {
    return JSON.parse(await database.call("export_signals", { ...question, before }, signal))[0];
  }

  // The first page is read before the answer begins: what is wrong with the question still has a status of its own.
  const [total, first] = await Promise.all([database.call("count_signals", asked), read(null)]);
  const body = toStream({
    head: format === "csv" ? wanted.join(",") + "\r\n" : "",
    read: (before, signal) => before === null ? Promise.resolve(first) : read(before, signal),
  });
  const headers = new Headers({
    "content-type": TYPES[format],
    "content-disposition": `attachment; filename="signals.${format}"`,
    "cache-control": "no-store",
  });
  if (total.trim() !== "null") headers.set("x-total-count", total.trim());
  return new Response(body, { headers });
}

export default serve(["GET"], exportSignals);
