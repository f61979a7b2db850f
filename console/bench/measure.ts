/**
 * Measures the console in Chromium. Lines of JSON come and go on standard input and output: see scripts/bench/console.py.
 *
 * Times of paintings are taken in the page: a row counts as painted in the frame after the one in which it was there.
 */
import { gzipSync } from "node:zlib";
import { createInterface } from "node:readline";
import { type CDPSession, chromium, type Page } from "@playwright/test";

interface Task {
  address: string;
  email: string;
  password: string;
  chromium: string;
  seconds: number;
  rounds: number;
}

/** The list of signals, and a row of it: what says which signal a row is of is in the page for its own sake. */
const GRID = "[role=grid]";
const ROWS = `${GRID} [data-id]`;
/** As fast as a person flings a list, in pixels a second. */
const FLING = 4000;
const SETTLE_MILLISECONDS = 20_000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function hear<T>(): Promise<T> {
  const { value, done } = await lines.next();
  if (done) throw new Error("nobody speaks to the browser any more");
  return JSON.parse(value) as T;
}

function say(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

async function ask<T>(wish: object): Promise<T> {
  say(wish);
  return await hear<T>();
}

/** Bytes of script that came until now, as a host that compresses would have sent them. */
function countScripts(page: Page): () => Promise<number> {
  const scripts: Promise<number>[] = [];
  page.on("response", (answered) => {
    if (answered.request().resourceType() !== "script") return;
    scripts.push(answered.body().then((body) => gzipSync(body).length));
  });
  return async () => (await Promise.all(scripts)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Milliseconds from the press on "Sign in" to the first painted rows. */
async function signIn(page: Page, task: Task): Promise<number> {
  await page.goto(task.address);
  await page.getByLabel("E-mail").fill(task.email);
  await page.getByLabel("Password").fill(task.password);
  await page.evaluate(() => {
    addEventListener("click", () => performance.mark("pressed"), { once: true, capture: true });
  });
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(ROWS).first().waitFor();
  return await page.evaluate(() =>
    new Promise<number>((done) => {
      requestAnimationFrame(() =>
        setTimeout(() => done(performance.now() - performance.getEntriesByName("pressed")[0]!.startTime))
      );
    })
  );
}

/** Times between two frames (ms) while `act` goes on. */
async function frames(page: Page, act: () => Promise<unknown>): Promise<number[]> {
  await page.evaluate(() => {
    const state = { times: [] as number[], goes: true };
    Object.assign(globalThis, { benchFrames: state });
    const note = (now: number) => {
      state.times.push(now);
      if (state.goes) requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
  });
  await act();
  const times = await page.evaluate(() => {
    const state = (globalThis as unknown as { benchFrames: { times: number[]; goes: boolean } }).benchFrames;
    state.goes = false;
    return state.times;
  });
  return times.slice(1).map((time, index) => time - times[index]!);
}

async function heap(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize;
}

/** Flings the list down and up again for as long as asked. */
async function scroll(page: Page, task: Task): Promise<object> {
  say({ progress: `scrolling for ${task.seconds} s` });
  const session = await page.context().newCDPSession(page);
  const box = (await page.locator(GRID).boundingBox())!;
  const fling = (distance: number) =>
    session.send("Input.synthesizeScrollGesture", {
      x: box.x + box.width / 2,
      y: box.y + box.height / 2,
      yDistance: -distance,
      speed: FLING,
      gestureSourceType: "mouse",
    });
  // Code is compiled and the first pages are there before anything counts.
  await fling(FLING);
  await fling(-FLING);
  const before = await heap(session);
  const idle = await frames(page, () => page.evaluate(() => new Promise((done) => setTimeout(done, 2000))));
  const height = await page.locator(ROWS).first().evaluate((row) => row.getBoundingClientRect().height);
  const distance = FLING * task.seconds / 2;
  const times = await frames(page, async () => {
    await fling(distance);
    await fling(-distance);
  });
  const after = await heap(session);
  await session.detach();
  return {
    frames: times,
    idle_frames: idle,
    heap_before: before,
    heap_after: after,
    rows_passed: Math.round(2 * distance / height),
  };
}

/** Changes the filter by the address, each time to another symbol, until every row in sight passes it. */
async function filter(page: Page, task: Task): Promise<object> {
  say({ progress: `changing the filter ${task.rounds} times` });
  return await page.evaluate(async ({ rounds, rows }) => {
    const shown = () => [...document.querySelectorAll(rows)].map((row) => row.textContent ?? "");
    const symbols = [...new Set(shown().flatMap((text) => text.match(/[A-Z]{2,10}USDT/) ?? []))];
    const filters: number[] = [];
    const questions: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const symbol = symbols[round % symbols.length]!;
      performance.clearResourceTimings();
      const began = performance.now();
      location.hash = `#/signals?symbol=${symbol}`;
      await new Promise<void>((done) => {
        const look = () => {
          const texts = shown();
          if (texts.length > 0 && texts.every((text) => text.includes(symbol))) {
            // In the frame after this one it is on the screen.
            requestAnimationFrame(() => setTimeout(done));
          } else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      });
      filters.push(performance.now() - began);
      const asked = performance.getEntriesByType("resource").find(({ name }) =>
        name.includes("query_signals")
      );
      if (asked) questions.push(asked.duration);
    }
    location.hash = "#/signals";
    return { filters, questions };
  }, { rounds: task.rounds, rows: ROWS });
}

/** One signal after the other, then a hundred thousand a minute. */
async function watch(page: Page, task: Task): Promise<object> {
  await page.locator(GRID).evaluate((grid) => grid.scrollTo(0, 0));
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  await page.evaluate((rows) => {
    const painted = new Map<string, number>();
    const tasks: number[] = [];
    Object.assign(globalThis, { benchSeen: { painted, tasks } });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
      .observe({ type: "longtask" });
    const note = () => {
      const fresh = [...document.querySelectorAll<HTMLElement>(rows)].map((row) => row.dataset["id"]!)
        .filter((id) => !painted.has(id));
      for (const id of fresh) painted.set(id, Number.NaN);
      requestAnimationFrame(() =>
        setTimeout(() => {
          for (const id of fresh) painted.set(id, performance.timeOrigin + performance.now());
        })
      );
    };
    note();
    new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
  }, ROWS);
  const seen = (id: string) =>
    page.waitForFunction(
      (one) =>
        (globalThis as unknown as { benchSeen: { painted: Map<string, number> } }).benchSeen.painted.get(
          one,
        ) ||
        undefined,
      id,
    ).then((handle) => handle.jsonValue());

  say({ progress: `waiting for ${task.rounds} signals, one after the other` });
  const painted: number[] = [];
  for (let round = 0; round < task.rounds; round++) {
    const { id, began } = await ask<{ id: string; began: number }>({ do: "fire" });
    painted.push(Number(await seen(id)) - began);
  }

  say({ progress: `100,000 signals a minute for ${task.seconds} s` });
  await page.evaluate(() => {
    (globalThis as unknown as { benchSeen: { tasks: number[] } }).benchSeen.tasks.length = 0;
  });
  const arrived = await ask<{ per_minute: number }>({ do: "arrive", seconds: task.seconds });
  const { count } = await ask<{ count: number }>({ do: "count" });
  const foot = page.locator("main").getByText(/ signals?( · .*)?$/);
  const shown = async () => Number((await foot.innerText()).replace(/ signals?.*/, "").replace(/\D/g, ""));
  const until = performance.now() + SETTLE_MILLISECONDS;
  while (await shown() !== count && performance.now() < until) await page.waitForTimeout(100);
  return {
    painted,
    per_minute: arrived.per_minute,
    recorded: count,
    shown: await shown(),
    tasks: await page.evaluate(() =>
      (globalThis as unknown as { benchSeen: { tasks: number[] } }).benchSeen.tasks
    ),
  };
}

async function run(task: Task): Promise<object> {
  const browser = await chromium.launch({
    executablePath: task.chromium,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const scriptBytes = countScripts(page);
    say({ progress: "signing in" });
    const figures: Record<string, unknown> = { first_table: await signIn(page, task) };
    figures["script_bytes"] = await scriptBytes();
    Object.assign(figures, await scroll(page, task));
    Object.assign(figures, await filter(page, task));
    Object.assign(figures, await watch(page, task));
    return figures;
  } finally {
    await browser.close();
  }
}

say({ figures: await run(await hear<Task>()) });
process.exit(0);
