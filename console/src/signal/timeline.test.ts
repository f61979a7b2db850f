import { expect, test } from "vitest";
import { tellEvent, tellExecution, tellSnapshot, tellStory } from "./sample.ts";
import { compareTimes, describe as line, steps } from "./timeline.ts";

const second = (n: number) => `2026-11-22T06:00:${String(n).padStart(2, "0")}+00:00`;

test("events keep their numbers' order, whatever their times say", () => {
  const story = tellStory({}, {
    events: [
      tellEvent(3, { occurred_at: "2025-01-01T00:00:00Z", created_at: second(3) }),
      tellEvent(1, { created_at: second(9) }),
      tellEvent(2, { created_at: second(2) }),
    ],
  });
  expect(steps(story).map((step) => step.key)).toEqual(["event-1", "event-2", "event-3"]);
});

test("looks and fills stand before the event that followed from them", () => {
  const story = tellStory({}, {
    events: [
      tellEvent(1),
      tellEvent(2, { event_type: "monitoring_action" }),
      tellEvent(5, { event_type: "order_filled" }),
    ],
    snapshots: [tellSnapshot(1, { created_at: second(2) })],
    executions: [tellExecution({ created_at: second(5) })],
  });
  expect(steps(story).map((step) => step.key)).toEqual([
    "event-1",
    "snapshot-1",
    "event-2",
    "fill-x",
    "event-5",
  ]);
});

test("nothing is lost and nothing is told twice, in any interleaving", () => {
  for (let seed = 1; seed <= 200; seed++) {
    let state = seed;
    const random = (n: number) => (state = (state * 48271) % 2147483647) % n;
    const story = tellStory({}, {
      events: Array.from(
        { length: random(8) },
        (_, n) => tellEvent(n + 1, { created_at: second(random(60)) }),
      ),
      snapshots: Array.from(
        { length: random(8) },
        (_, n) => tellSnapshot(n + 1, { created_at: second(random(60)) }),
      ),
      executions: Array.from(
        { length: random(4) },
        (_, n) => tellExecution({ id: String(n), created_at: second(random(60)) }),
      ),
    });
    const keys = steps(story).map((step) => step.key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBe(story.events.length + story.snapshots.length + story.executions.length);
    const numbers = keys.flatMap((key) => /^event-(\d+)/.exec(key)?.[1] ?? []).map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const looks = steps(story).filter((step) => step.kind !== "event").map((step) => step.recordedAt);
    expect(looks).toEqual([...looks].sort());
  }
});

test("states of orders that the signal's trail does not tell are told, once", () => {
  const event = {
    order_id: "o",
    number: 1,
    to_status: "open",
    event_data: null,
    worker: null,
    occurred_at: second(2),
    created_at: second(2),
  };
  const story = tellStory({}, {
    order_events: [{ ...event, event_type: "filled" }, { ...event, number: 2, event_type: "open" }],
  });
  expect(steps(story).map((step) => step.type)).toEqual(["open"]);
});

test("an error stands out, with what was wrong", () => {
  const [step] = steps(
    tellStory({}, { events: [tellEvent(1, { error_info: { error: "the venue is away" } })] }),
  );
  expect(step).toMatchObject({ tone: "bad", detail: "the venue is away" });
});

test("times of one second are told apart by what is behind the point, however many digits", () => {
  expect(compareTimes("2026-11-22T06:00:01.5+00:00", "2026-11-22T06:00:01.123456+00:00")).toBeGreaterThan(0);
  expect(compareTimes("2026-11-22T06:00:01.123457+00:00", "2026-11-22T06:00:01.123456+00:00"))
    .toBeGreaterThan(0);
  expect(compareTimes("2026-11-22T06:00:01+00:00", "2026-11-22T06:00:01.000000+00:00")).toBe(0);
});

test("what an event carries keeps its digits", () => {
  expect(line({ amount: "0.123456789012345678901", code: null, exit_reason: "manual_close" })).toBe(
    "amount 0.123456789012345678901 · exit reason manual_close",
  );
});
