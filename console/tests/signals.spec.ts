import { expect, type Page, test } from "@playwright/test";
import { readFile } from "node:fs/promises";
import { signIn } from "./person.ts";
import { site } from "./site.ts";

const rows = (page: Page) => page.getByRole("grid", { name: "Signals" }).locator("[data-id]");
const cells = (page: Page, column: number) => rows(page).locator(`[role="gridcell"]:nth-child(${column})`);

/** Chooses one of a list behind a button. */
async function choose(page: Page, list: string, choice: string): Promise<void> {
  await page.getByRole("button", { name: list }).click();
  await page.getByRole("option", { name: choice }).click();
  await page.keyboard.press("Escape");
}

test("signals arrive by themselves, in two browsers", async ({ page, browser }) => {
  test.setTimeout(210_000);
  await signIn(page);
  const other = await (await browser.newContext()).newPage();
  await signIn(other);
  await expect(rows(page).first()).toBeVisible();
  const before = await rows(page).first().getAttribute("data-id");
  // The market of the main job fires when it fires: on a busy machine that takes a while.
  await expect(rows(page).first()).not.toHaveAttribute("data-id", before!, { timeout: 150_000 });
  const arrived = await rows(page).first().getAttribute("data-id");
  await expect(other.locator(`[data-id="${arrived}"]`)).toBeVisible();
  await other.context().close();
});

test("a filter shows only what passes it, and its address shows the same again", async ({ page, context }) => {
  await signIn(page);
  await choose(page, "Symbol", "BTCUSDT");
  await page.getByRole("button", { name: /^rejected/ }).click();
  await expect(page).toHaveURL(/symbol=BTCUSDT/);
  await expect(page).toHaveURL(/status=rejected/);
  for (const one of [page, await context.newPage()]) {
    if (one !== page) await one.goto(page.url());
    await expect(rows(one).first()).toBeVisible();
    await expect(cells(one, 2).filter({ hasNotText: "BTCUSDT" })).toHaveCount(0);
    await expect(cells(one, 4).filter({ hasNotText: "rejected" })).toHaveCount(0);
    await expect(one.getByRole("button", { name: /^rejected/ })).toHaveAttribute("aria-pressed", "true");
  }
});

test("the keyboard goes to the search, through the list and into a signal", async ({ page }) => {
  await signIn(page);
  await expect(rows(page).nth(9)).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: "Search" })).toBeFocused();
  await page.getByRole("grid", { name: "Signals" }).focus();
  for (const key of ["PageDown", "End", "ArrowDown", "Home", "ArrowDown", "ArrowDown"]) {
    await page.keyboard.press(key);
  }
  const active = page.getByRole("row", { selected: true });
  await expect(active).toHaveCount(1);
  const id = await active.getAttribute("data-id");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/signals/${id}`));
});

test("an export is a file with the rows of the filter and the columns that are shown", async ({ page }) => {
  // Without the dialog of the system, which no test can press: the browser's own download.
  await page.addInitScript(() => delete (globalThis as { showSaveFilePicker?: unknown }).showSaveFilePicker);
  await signIn(page);
  await page.goto(`${site().url}#/signals?symbol=ETHUSDT`);
  await expect(rows(page).first()).toBeVisible();
  await choose(page, "Columns", "Trader");
  await expect(page.getByRole("columnheader", { name: "Trader" })).toHaveCount(0);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Export" }).click(),
  ]);
  const [head, ...lines] = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
  expect(head).toMatch(/^id,triggered_at,symbol,side,status,outcome_code,interval,/);
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line.split(",")[2]).toBe("ETHUSDT");
  await expect(page.getByText(`${lines.length} exported.`)).toBeVisible();
});

test("a stranger sees nothing of it", async ({ page }) => {
  await signIn(page, "stranger");
  // Who has nothing yet is led elsewhere first.
  await page.goto(`${site().url}#/signals`);
  await expect(page.getByText("There is no signal yet.")).toBeVisible();
  await expect(page.getByRole("button", { name: /^rejected 0/ })).toBeVisible();
});

test("offline the last signals are shown with their age, and live again afterwards", async ({ page, context }) => {
  await signIn(page);
  await expect(rows(page).first()).toBeVisible();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect.poll(() =>
    page.evaluate(async () => {
      // Opened before the page has made it, it would be made without its store.
      if (!(await indexedDB.databases()).some(({ name }) => name === "keyval-store")) return 0;
      return await new Promise<number>((resolve, reject) => {
        const asked = indexedDB.open("keyval-store");
        asked.onerror = () => reject(asked.error);
        asked.onsuccess = () => {
          const counted = asked.result.transaction("keyval").objectStore("keyval").count();
          counted.onsuccess = () => resolve(counted.result);
        };
      });
    })
  ).toBeGreaterThan(0);
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByText(/these are the last \d+ signals, as of/)).toBeVisible();
  await expect(rows(page).first()).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByText(/these are the last/)).toHaveCount(0);
  await expect(rows(page).first()).toBeVisible();
});
