import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tellEvent, tellOrder, tellPosition, tellSnapshot, tellStory } from "./sample.ts";
import type { Story } from "./story.ts";
import { explain, FIGURES, span } from "./why.ts";

// The list that SQL, Python and this console share.
const LAW = readFileSync("../supabase/migrations/20261121000300_lifecycle.sql", "utf8");
const CODES = [...LAW.matchAll(/\('(rejected|expired|closed)', '(\w+)', '((?:[^']|'')+)'\)[,;]/g)].map((
  [, status, code, text],
) => ({
  status: status as "rejected" | "expired" | "closed",
  code: code!,
  text: text!.replaceAll("''", "'"),
}));

function ended(
  status: Story["signal"]["status"],
  code: string,
  text: string,
  rest: Partial<Story> = {},
): Story {
  return tellStory({ status, outcome_code: code }, {
    outcome: text,
    events: [
      tellEvent(1),
      tellEvent(2, { to_status: status, from_status: "ready", event_data: { message: "2 of 2" } }),
    ],
    snapshots: [tellSnapshot(1, { price: "103", reasoning: "it left the plan" })],
    orders: [tellOrder()],
    positions: status === "closed" ? [tellPosition()] : [],
    ...rest,
  });
}

describe("every end that the law knows", () => {
  test("is told apart here, and nothing else is", () => {
    expect(CODES.length).toBeGreaterThan(40);
    expect(Object.keys(FIGURES).sort()).toEqual(CODES.map((one) => one.code).sort());
  });

  test.each(CODES)("$code: verdict, reason and no holes", ({ status, code, text }) => {
    const why = explain(ended(status, code, text));
    expect(why.traded).toBe(status === "closed" ? "yes" : "no");
    expect(why.sentence.startsWith(`${status === "closed" ? "Traded." : "Not traded."} ${text}`)).toBe(true);
    expect(why.sentence).toMatch(/\.$/);
    expect(why.sentence).not.toMatch(/undefined|null|NaN|\.\.| {2}/);
    expect(why.said).not.toBeNull();
    expect(why.code).toBe(code);
  });

  test.each(CODES)("$code: also when nothing but the end is known", ({ status, code, text }) => {
    const why = explain(
      tellStory({
        status,
        outcome_code: code,
        analysis_result: null,
        analysis_trade_plan: null,
        analysis_confidence: null,
        current_price: null,
        analyzed_at: null,
      }, { outcome: text, trader: null }),
    );
    expect(why.sentence).toContain(text);
    expect(why.sentence).not.toMatch(/undefined|null|NaN| {2}/);
    expect(why.said).toBeNull();
  });
});

test("the figures that decided are in the sentence", () => {
  expect(explain(ended("rejected", "low_confidence", "Less sure.")).sentence).toContain(
    "It was 55 % sure; Dips asks for 60 %.",
  );
  expect(explain(ended("rejected", "against_trend", "Against.")).sentence).toContain(
    "It read adx 39.57, slope \u22120.174.",
  );
  expect(explain(ended("expired", "price_drifted", "Moved.")).sentence).toContain(
    "It was 103, +3.00 % from the planned entry at 100.",
  );
  expect(explain(ended("expired", "order_rejected", "Refused.")).sentence).toContain(
    "The limit order to buy 2.5 at 100 is rejected.",
  );
  expect(explain(ended("expired", "monitoring_timeout", "Over.")).sentence).toContain(
    "It was watched for 2 h 30 min, with 1 look.",
  );
  expect(explain(ended("closed", "take_profit", "Filled.")).sentence).toContain(
    "Bought 2.5 at 100, closed at 104: +9.49 USDT (+3.80 %) after 0.51 USDT of fees.",
  );
});

test("what the decider said is what decided, not what came before", () => {
  expect(explain(ended("expired", "position_limit", "All open.")).said).toBe("2 of 2");
  const rejected = ended("rejected", "against_trend", "Against.", { events: [tellEvent(1)] });
  expect(explain(rejected).said).toBe("too steep");
  const watched = ended("expired", "price_drifted", "Moved.", {
    events: [
      tellEvent(1, { to_status: "expired", from_status: "monitoring", event_data: { action: "exit" } }),
    ],
  });
  expect(explain(watched).said).toBe("it left the plan");
  const failed = ended("rejected", "analysis_failed", "Failed.", {
    events: [tellEvent(1, { to_status: "rejected", error_info: { error: "not_enough_history" } })],
  });
  expect(explain(failed).said).toBe("not_enough_history");
});

test("a code that is newer than this console is told by the database's text", () => {
  expect(explain(ended("expired", "never_heard_of", "Something new.")).sentence).toBe(
    "Not traded. Something new.",
  );
});

test.each(["new", "analyzing", "monitoring", "ready", "in_position"] as const)(
  "%s is under way",
  (status) => {
    const story = tellStory({ status, outcome_code: null, closed_at: null }, {
      positions: status === "in_position" ? [tellPosition({ status: "open", closed_at: null })] : [],
    });
    const why = explain(story);
    expect(why.traded).toBe(status === "in_position" ? "yes" : "not yet");
    expect(why.sentence).toMatch(
      status === "in_position" ? /the stop is at 98\.$/ : /^Not yet traded: .*\.$/,
    );
  },
);

test("an entry that filled and was given up by an operator was traded all the same", () => {
  expect(explain(ended("expired", "trader_paused", "Paused.", { positions: [tellPosition()] })).traded).toBe(
    "yes",
  );
});

test("a span is said in the unit that fits", () => {
  expect(span("2025-05-04T10:00:00Z", "2025-05-04T10:00:59Z")).toBe("59 s");
  expect(span("2025-05-04T10:00:00Z", "2025-05-04T10:59:00Z")).toBe("59 min");
  expect(span("2025-05-04T10:00:00Z", "2025-05-04T11:59:45Z")).toBe("2 h");
});
