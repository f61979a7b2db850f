// The address of a question: every parameter is understood or named as wrong.

import { deepStrictEqual as same, throws } from "node:assert/strict";
import { z } from "zod";
import { filters, readParameters, toDatabase } from "../_shared/parameters.ts";

const schema = z.object(filters);
const read = (query: string) => toDatabase(readParameters(`http://here/query-signals?${query}`, schema));
const asked = (query: string) =>
  Object.fromEntries(Object.entries(read(query)).filter(([, value]) => value !== undefined));
const TRADER = "11111111-1111-4111-8111-111111111111";

Deno.test("filters get the names and shapes of the database", () => {
  same(asked(""), {});
  same(asked(`trader=${TRADER}&symbol=A,B&symbol=C&status=ready,closed&side=long&source=cloud&apikey=x`), {
    traders: [TRADER],
    symbols: ["A", "B", "C"],
    statuses: ["ready", "closed"],
    sides: ["long"],
    sources: ["cloud"],
  });
  same(asked("outcome=take_profit,analysis_budget"), { outcomes: ["take_profit", "analysis_budget"] });
  throws(() => read("outcome=because"), /outcome must be codes of outcome_codes/);
  same(asked("tag=a,b&tag=c&all_tags=d&min_confidence=0.6&max_confidence=1.0&search=rsi%20below"), {
    any_tags: ["a,b", "c"],
    all_tags: ["d"],
    min_confidence: "0.6",
    max_confidence: "1.0",
    search: "rsi below",
  });
});

Deno.test("times are days, moments with a zone, or milliseconds", () => {
  same(asked("from=2025-05-05&to=2025-05-06T02:00:00%2B02:00"), {
    from_time: "2025-05-05T00:00:00.000Z",
    to_time: "2025-05-06T00:00:00.000Z",
  });
  same(asked("from=1746403200123"), { from_time: "2025-05-05T00:00:00.123Z" });
});

for (
  const [query, ...fields] of [
    ["trader=me", "trader"],
    ["status=gone&side=up&source=here", "status", "source", "side"],
    ["from=yesterday", "from"],
    ["from=2025-05-05T10:00", "from"],
    ["from=2025-02-30", "from"],
    ["from=99999999999999999", "from"],
    ["from=1&from=2", "from"],
    ["min_confidence=2&max_confidence=high", "min_confidence", "max_confidence"],
    ["symbol=", "symbol"],
    ["symbol=a%00b", "symbol"],
    [`search=${"x".repeat(201)}`, "search"],
    [`symbol=${"x,".repeat(1001)}`, "symbol"],
    ["traders=x", "traders"],
    ["constructor=1", "constructor"],
  ]
) {
  Deno.test(`${query.slice(0, 60)} is refused by name`, () => {
    throws(() => read(query), (error: { status: number; fields: { field: string }[] }) => {
      same(error.status, 400);
      same(error.fields.map(({ field }) => field), fields);
      return true;
    });
  });
}
