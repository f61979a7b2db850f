import { expect, test } from "vitest";
import { Feed, MOST_ROWS } from "./feed.ts";
import { EVERYTHING, type Filter, passes } from "./filter.ts";
import type { Reader } from "./reader.ts";
import { type ChangeMessage, neighbour, type SignalRow } from "./row.ts";
import type { Clock, Keep } from "./shown.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");

/** A database of one user's signals, which answers when it is let. */
class World {
  readonly signals = new Map<string, SignalRow>();
  now = NOW;
  private changes = 0;
  private due: { call: () => void; at: number }[] = [];
  reads = 0;

  readonly clock: Clock = {
    now: () => this.now,
    frame: (call) => void this.due.push({ call, at: this.now + 16 }),
    later: (call, milliseconds) => void this.due.push({ call, at: this.now + milliseconds }),
  };

  write(number: number, status: SignalRow["status"] = "new"): SignalRow {
    const id = `${number.toString(16).padStart(8, "0")}-0000-8000-8000-000000000000`;
    const row = {
      id,
      symbol: number % 2 === 0 ? "EVEN" : "ODD",
      status,
      source: "cloud",
      triggered_at: new Date(NOW).toISOString(),
      updated_at: String(++this.changes).padStart(9, "0"),
    } as SignalRow;
    this.signals.set(id, row);
    return row;
  }

  /** What the database would send: the newest 50, without what messages do not carry. */
  message(rows: readonly SignalRow[]): ChangeMessage {
    const sorted = rows.toSorted((one, other) => one.id < other.id ? 1 : -1);
    const carried = sorted.slice(0, 50).map(({ source: _source, ...row }) => row as SignalRow);
    return { count: rows.length, fromId: sorted.at(-1)!.id, toId: sorted[0]!.id, rows: carried };
  }

  truth(filter: Filter): SignalRow[] {
    return [...this.signals.values()].filter((row) => passes(filter, row, this.now))
      .sort((one, other) => (one.id < other.id) === filter.newestFirst ? 1 : -1);
  }

  reader(filter: Filter): Reader {
    return {
      now: NOW,
      page: async ({ newestFirst, after, before, size }) => {
        this.reads++;
        const rows = this.truth({ ...filter, newestFirst })
          .filter(({ id }) => (!after || id > after) && (!before || id < before));
        // The answer is as of now, and takes its time.
        await new Promise<void>((resolve) => void this.due.push({ call: resolve, at: this.now + 20 }));
        return { rows: rows.slice(0, size), until: rows.length > size ? rows[size - 1]!.id : null };
      },
      count: () => Promise.resolve(null),
      hours: () => Promise.resolve([]),
    };
  }

  /** Lets time pass until nothing is due. */
  async settle(milliseconds = 10_000): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      for (let turn = 0; turn < 12; turn++) await Promise.resolve();
      const next = this.due.toSorted((one, other) => one.at - other.at)[0];
      if (!next || next.at > end) break;
      this.due.splice(this.due.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.call();
    }
    this.now = end;
  }
}

function listen(world: World, filter: Filter = EVERYTHING, keep: Keep | null = null): Feed {
  const feed = new Feed(filter, world.reader(filter), keep, world.clock, 1_000_000);
  feed.start();
  return feed;
}

const shownIds = (feed: Feed) => feed.snapshot().window!.rows.map(({ id }) => id);
const ids = (rows: readonly SignalRow[]) => rows.map(({ id }) => id);

function chances(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

test("at the top, whatever arrives, changes, comes late or is not carried, the list is the database's", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const chance = chances(seed);
    const filter: Filter = {
      ...EVERYTHING,
      ...(chance() < 0.5 ? { statuses: ["new"] } : {}),
      ...(chance() < 0.3 ? { symbols: ["EVEN"] } : {}),
      newestFirst: chance() < 0.8,
    };
    const world = new World();
    for (let number = 1000; number < 1060; number++) world.write(number);
    const feed = listen(world, filter);
    let newest = 1060;
    for (let step = 0; step < 40; step++) {
      const rows = Array.from({ length: 1 + Math.floor(chance() * (chance() < 0.1 ? 90 : 5)) }, () => {
        const number = chance() < 0.6 ? newest++ : 1000 + Math.floor(chance() * (newest - 1000));
        return world.write(number, chance() < 0.3 ? "rejected" : "new");
      });
      const message = world.message([...new Map(rows.map((row) => [row.id, row])).values()]);
      for (let times = chance() < 0.2 ? 2 : 1; times > 0; times--) feed.receive(message);
      await world.settle(Math.floor(chance() * 60));
    }
    await world.settle();
    const truth = ids(world.truth(filter));
    expect(shownIds(feed)).toEqual(truth.slice(0, shownIds(feed).length));
    expect(shownIds(feed).length).toBeGreaterThanOrEqual(Math.min(60, truth.length));
    expect(feed.snapshot().window!.rows.slice(0, 30).every(({ source }) => source === "cloud")).toBe(true);
    for (const row of feed.snapshot().window!.rows) {
      expect(row.updated_at).toBe(world.signals.get(row.id)!.updated_at);
    }
    feed.close();
  }
});

test("who reads further down is told how many are new, and keeps what they read where it is", async () => {
  const world = new World();
  for (let number = 1000; number < 1900; number++) world.write(number);
  const feed = listen(world);
  await world.settle();
  feed.look({ first: 20, last: 50, atHead: false });
  await world.settle();
  const reading = feed.snapshot().window!.rows[20]!.id;
  const fresh = Array.from({ length: 70 }, (_, index) => world.write(2000 + index));
  feed.receive(world.message(fresh.slice(0, 5)));
  await world.settle(50);
  expect(feed.snapshot().waiting).toBe(5);
  // More than the message carries.
  feed.receive(world.message(fresh));
  feed.receive(world.message(fresh));
  await world.settle();
  const { window, waiting, moved } = feed.snapshot();
  expect(waiting).toBe(70);
  expect(window!.rows[20 + moved - window!.start]!.id).toBe(reading);
  feed.look({ first: 0, last: 30, atHead: true });
  await world.settle();
  expect(feed.snapshot().waiting).toBe(0);
  expect(shownIds(feed).slice(0, 200)).toEqual(ids(world.truth(EVERYTHING)).slice(0, 200));
});

test("a walk to the end and back holds a part in memory and finds every row at its place", async () => {
  const world = new World();
  for (let number = 0; number < 3000; number++) world.write(number);
  const feed = listen(world);
  await world.settle();
  const truth = ids(world.truth(EVERYTHING));
  const places = [...Array(30).keys()].map((step) => step * 100);
  for (const first of [...places, ...places.toReversed()]) {
    feed.look({ first, last: first + 30, atHead: first === 0 });
    await world.settle();
    const { rows, start } = feed.snapshot().window!;
    expect(rows.length).toBeLessThanOrEqual(MOST_ROWS);
    expect(ids(rows.slice(first - start, first - start + 30))).toEqual(truth.slice(first, first + 30));
  }
});

test("a place far away is jumped to by its time, and read on in both directions", async () => {
  const world = new World();
  for (let number = 0; number < 5000; number++) world.write(number);
  const feed = listen(world);
  await world.settle();
  // 65,536 milliseconds an id: the first eight digits of it are the upper 32 of 48 bits.
  feed.estimate(5000, [{ at: 0, count: 5000 * 3_600_000 / (5000 * 65_536) }, { at: 3_600_000, count: 1 }]);
  feed.toTime(2500 * 65_536, 2500);
  feed.look({ first: 2500, last: 2530, atHead: false });
  await world.settle();
  const { window } = feed.snapshot();
  const truth = ids(world.truth(EVERYTHING));
  const from = truth.indexOf(window!.rows[0]!.id);
  expect(ids(window!.rows)).toEqual(truth.slice(from, from + window!.rows.length));
  expect(window!.start).toBeLessThanOrEqual(2500);
  feed.toTail();
  await world.settle();
  expect(shownIds(feed).at(-1)).toBe(truth.at(-1));
  expect(feed.snapshot().window!.tail).toBe(null);
});

test("what was missed is there after a catch-up, also in the middle of the list", async () => {
  const world = new World();
  for (let number = 1000; number < 1400; number++) world.write(number);
  const feed = listen(world, { ...EVERYTHING, statuses: ["new"] });
  await world.settle();
  feed.look({ first: 50, last: 80, atHead: false });
  await world.settle();
  world.write(1340, "rejected");
  world.write(1500);
  feed.catchUp();
  await world.settle();
  const { window, waiting } = feed.snapshot();
  expect(window!.rows.some(({ id }) => id.startsWith("0000053c"))).toBe(false);
  expect(waiting).toBe(1);
});

test("without a network the kept rows are shown as such, and the list as soon as it answers", async () => {
  const world = new World();
  const rows = [world.write(5), world.write(4)];
  let offline = true;
  const reader = world.reader(EVERYTHING);
  const keep: Keep = { read: () => Promise.resolve({ rows, at: new Date(NOW) }), write: () => {} };
  const page: Reader["page"] = (stretch, signal) =>
    offline ? Promise.reject(new TypeError("Failed to fetch")) : reader.page(stretch, signal);
  const feed = new Feed(EVERYTHING, { ...reader, page }, keep, world.clock, 1000);
  feed.start();
  await world.settle(100);
  expect(feed.snapshot()).toMatchObject({ keptAt: new Date(NOW), window: { rows } });
  offline = false;
  world.write(6);
  await world.settle();
  expect(feed.snapshot()).toMatchObject({ keptAt: null, error: null });
  expect(shownIds(feed).length).toBe(3);
});

test("the neighbour of an id is the next of all", () => {
  expect(neighbour("00000000-0000-0000-0000-0000000000ff", 1)).toBe("00000000-0000-0000-0000-000000000100");
  expect(neighbour("00000000-0001-0000-0000-000000000000", -1)).toBe("00000000-0000-ffff-ffff-ffffffffffff");
});
