import { expect, type Locator, type Page, test } from "@playwright/test";
import { ask } from "./database.ts";
import { go, signIn } from "./person.ts";
import { site } from "./site.ts";

/** A name that no other run has, so that runs beside one another do not meet. */
const unique = (name: string) => `${name} ${Math.random().toString(36).slice(2, 8)}`;

function rowOf(page: Page, name: string): Locator {
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name }) });
}

async function openForm(page: Page, name: string): Promise<void> {
  await signIn(page);
  await go(page, "Traders");
  await page.getByRole("button", { name: "New trader" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
}

test("a wrong condition is shown where it is wrong, mended by completion, and saved; then paused, changed, deleted", async ({ page }) => {
  // One whole life of a trader: many steps, each of which a busy machine takes its time for.
  test.slow();
  const name = unique("Dip");
  await openForm(page, name);
  const condition = page.getByRole("combobox", { name: "Condition" });
  await condition.fill("RSI(14) < 30 and volume > QQQQ(3)");
  await expect(page.getByText("Column 27: unknown indicator 'QQQQ'")).toBeVisible();
  await page.getByRole("button", { name: "Create trader" }).click();
  await expect(page.getByRole("alert")).toContainText("Not saved yet");

  // Only the keyboard from here: the name is written anew, chosen from the list, and taken.
  await condition.fill("RSI(14) < 30 and volume > SM");
  await condition.press("End");
  const options = page.getByRole("listbox", { name: "What Condition may say here" });
  await expect(options.getByRole("option", { selected: true })).toContainText("SMA");
  await condition.press("ArrowDown");
  await condition.press("ArrowUp");
  await condition.press("Enter");
  await expect(condition).toHaveValue("RSI(14) < 30 and volume > SMA(20)");
  await expect(page.getByText(/^Column/)).toHaveCount(0);
  await page.getByRole("button", { name: "Create trader" }).click();

  const row = rowOf(page, name);
  await expect(row).toContainText("active");
  await row.getByRole("button", { name: `Pause ${name}` }).click();
  await expect(row).toContainText("paused");
  await page.reload();
  await expect(row).toContainText("paused");

  await row.getByRole("link", { name: `Edit ${name}` }).click();
  await page.getByLabel("Name", { exact: true }).fill(`${name} again`);
  await page.getByText("Risk limits of this trader").click();
  await page.getByLabel("Loss of a day at most").fill("50.5");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { name: `${name} again` })).toBeVisible();
  await expect(page.getByText("How far its signals came")).toBeVisible();
  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByText("Risk limits of this trader").click();
  await expect(page.getByLabel("Loss of a day at most")).toHaveValue("50.5");

  await go(page, "Traders");
  await row.getByRole("button", { name: `Delete ${name}` }).click();
  const dialog = page.getByRole("alertdialog");
  await expect(dialog).toContainText("It has no open position.");
  await expect(dialog).toContainText("stay on record");
  await dialog.getByRole("button", { name: "Delete it" }).click();
  await expect(row).toHaveCount(0);
});

test("what the database refuses is undone, and its field is named", async ({ page }) => {
  const name = unique("Refused");
  await openForm(page, name);
  await page.getByRole("combobox", { name: "Condition" }).fill("close > open");
  await page.getByLabel("Stop loss", { exact: true }).selectOption("percentage");
  await page.getByLabel("Stop loss value").fill("150");
  await page.getByRole("button", { name: "Create trader" }).click();
  await expect(page.getByRole("alert")).toContainText("A percentage stop loss is below 100.");
  await expect(page.getByLabel("Stop loss value")).toHaveAttribute("aria-invalid", "true");
  await page.getByLabel("Stop loss value").fill("1.50");
  await page.getByRole("button", { name: "Create trader" }).click();
  const row = rowOf(page, name);
  await expect(row).toContainText("active");

  // The answer is held back, so that both are seen: the change at once, and its end.
  let refuse = () => {};
  const held = new Promise<void>((resolve) => refuse = resolve);
  await page.route("**/rest/v1/traders*", async (route) => {
    if (route.request().method() !== "PATCH") return route.fallback();
    await held;
    const message = 'new row for relation "traders" violates check constraint "a market is spot or usdm"';
    await route.fulfill({ status: 400, json: { code: "23514", message, hint: null, details: null } });
  });
  await row.getByRole("button", { name: `Pause ${name}` }).click();
  await expect(row).toContainText("paused");
  refuse();
  await expect(page.getByRole("alert")).toContainText(`${name} is as it was: A market is spot or usdm.`);
  await expect(row).toContainText("active");
  await page.unroute("**/rest/v1/traders*");
  await row.getByRole("button", { name: `Delete ${name}` }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect(row).toHaveCount(0);
});

test("a signal by hand is recorded with the source local, once", async ({ page }) => {
  const name = unique("By hand");
  await openForm(page, name);
  // It never fires by itself.
  await page.getByRole("combobox", { name: "Condition" }).fill("close < 0");
  await page.getByRole("button", { name: "Create trader" }).click();
  await expect(rowOf(page, name)).toBeVisible();
  await page.getByRole("button", { name: "Signal by hand" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Trader").selectOption({ label: `${name} (long, 15m)` });
  await dialog.getByLabel("Price").fill("a lot");
  await dialog.getByRole("button", { name: "Send" }).click();
  await expect(dialog.getByRole("alert")).toContainText("price must be a decimal number");
  await dialog.getByLabel("Price").fill("64000.50");
  await dialog.getByRole("button", { name: "Send" }).click();
  await expect(dialog.getByRole("status")).toContainText("Recorded with the source local.");
  await dialog.getByRole("link", { name: "Look at it" }).click();
  await expect(page.getByText("local", { exact: true }).first()).toBeVisible();

  await go(page, "Traders");
  await rowOf(page, name).getByRole("button", { name: /^Delete/ }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect(rowOf(page, name)).toHaveCount(0);
});

test("a backtest that is kept of a trader is shown with its curves", async ({ page }) => {
  const [trader] = await ask<{ id: string; owner: string }>(
    "select id, user_id as owner from public.traders where name = 'Pullback in a rising trend' limit 1",
  );
  const figures = {
    signals: 12,
    trades: 4,
    won: 3,
    lost: 1,
    open: 0,
    win_rate: "0.75",
    profit: "123.45",
    fees: "1.2",
    return_percent: "1.2345",
    profit_factor: "2.5",
    max_drawdown: "40.1",
    max_drawdown_percent: "0.4",
    sharpe: null,
    exposure: "0.25",
    longest_losing_run: 1,
    average_holding_seconds: 5400,
  };
  const point = (day: number, equity: string, fall: string) => ({
    at: `2025-05-0${day}T00:00:00+00:00`,
    equity,
    low: equity,
    drawdown_percent: fall,
    open: 1,
  });
  const report = {
    version: 1,
    name: "Pullback in a rising trend",
    figures,
    starts_at: "2025-05-01T00:00:00+00:00",
    ends_at: "2025-05-04T00:00:00+00:00",
    terms: { equity: "10000", currency: "USDT" },
    traders: [{ trader: { id: trader!.id, name: "Pullback in a rising trend" }, figures }],
    equity: {
      step_ms: 86400000,
      points: [point(1, "10000", "0"), point(2, "9960", "0.4"), point(3, "10123.45", "0")],
    },
    trades: [],
  };
  const [kept] = await ask<{ id: string }>(
    `select public.save_backtest('${JSON.stringify(report)}', '${trader!.owner}') as id`,
  );
  await signIn(page);
  await page.goto(`${site().url}#/traders/${trader!.id}`);
  const backtests = page.getByRole("region", { name: "Backtests" });
  await backtests.getByRole("button", { name: "Show" }).first().click();
  await expect(page).toHaveURL(new RegExp(kept!.id));
  await expect(backtests.getByRole("img", { name: "Equity of the backtest, from 10000 to 10123.45" }))
    .toBeVisible();
  await expect(backtests.getByRole("img", { name: "Drawdown of the backtest in percent" })).toBeVisible();
  await expect(backtests).toContainText("+123.45 USDT");
});
