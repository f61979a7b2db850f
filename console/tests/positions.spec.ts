import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { ask, run } from "./database.ts";
import { go, signIn } from "./person.ts";
import { site } from "./site.ts";

const HOLDER = "Holds what it buys";

test.beforeAll(async () => {
  // One that fires within minutes of the market, and holds what it got: there is always something open.
  await run(
    `insert into public.traders (user_id, name, market, symbols, "interval", side, conditions, min_confidence,
       default_exchange_account_id, position_size_type, position_size_value, stop_loss_type, stop_loss_value,
       take_profit_type, take_profit_value)
     select a.user_id, '${HOLDER}', a.market, array['XRPUSDT', 'BTCUSDT'], '1m', 'long',
       array['close > open', 'close[1] < open[1]'], 0, a.id, 'fixed', 100, 'percentage', 5, 'percentage', 15
     from public.exchange_accounts a join public.users u on u.id = a.user_id
     where u.email = '${site().email}' and a.venue = 'paper' limit 1`,
  );
});

test.afterAll(async () => {
  await run(`update public.traders set status = 'paused' where name = '${HOLDER}'`);
});

test("an open position shows its protection; closing it asks, is refused without a reason, and ends it", async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page);
  await go(page, "Positions");
  const row = page.getByRole("table", { name: "Open positions" }).getByRole("row").nth(1);
  await expect(row).toContainText(/protected/, { timeout: 60_000 });
  await expect(row).toContainText(/stop .* at /);
  const faults = (await new AxeBuilder({ page }).exclude("[data-live-announcer]").analyze()).violations;
  expect(faults.filter((one) => one.impact === "serious" || one.impact === "critical")).toEqual([]);

  // The market goes on meanwhile: what is asked about is what the dialog was opened for.
  const button = row.getByRole("button", { name: /^Close / });
  const name = (await button.getAttribute("aria-label"))!.replace("Close ", "");
  await page.getByRole("button", { name: `Close ${name}`, exact: true }).click();
  const dialog = page.getByRole("alertdialog");
  await expect(dialog).toContainText(
    /(sell|buy back) [\d.\u202f]+ \w+ \((long|short) from .*\), at the market/,
  );
  await expect(dialog).toContainText("no real money");
  await dialog.getByLabel(/Why/).fill("");
  await dialog.getByRole("button", { name: "Close it at the market" }).click();
  await expect(dialog.getByRole("alert")).toContainText("Say why");
  await dialog.getByLabel(/Why/).fill("a test closes it");
  await dialog.getByRole("button", { name: "Close it at the market" }).click();
  await expect(dialog).toBeHidden();
  await expect.poll(() =>
    ask(
      `select p.status from public.positions p join public.signals s on s.id = p.signal_id
       where public.human_name(s) = '${name}' and p.status = 'closed'`,
    )
  ).not.toEqual([]);
  await expect(page.getByRole("button", { name: `Close ${name}`, exact: true })).toBeHidden();
});

test("orders are filtered by the address, which can be shared, and by the keyboard one comes to their signal", async ({ page }) => {
  await signIn(page);
  await page.goto(`${site().url}#/positions?view=orders`);
  await page.getByLabel("Status").selectOption("filled");
  const orders = page.getByRole("table", { name: "Orders" });
  await expect(orders.getByRole("row").nth(1)).toContainText("filled");
  await expect(page).toHaveURL(/status=/);
  await page.reload();
  await expect(page.getByLabel("Status")).toHaveValue("filled");
  await expect(orders.getByRole("row").nth(1)).toContainText("filled");
  await expect(orders.getByText("canceled")).toHaveCount(0);
  await orders.getByRole("row").nth(1).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "Why" })).toBeVisible();
});

test("a stranger holds nothing, and can close nothing", async ({ page }) => {
  await signIn(page, "stranger");
  await go(page, "Positions");
  await expect(page.getByText("Nothing is held now.")).toBeVisible();
  await expect(page.getByRole("button", { name: /^Close/ })).toHaveCount(0);
  await page.getByRole("link", { name: "Closed", exact: true }).click();
  await expect(page.getByText("No closed position is like that.")).toBeVisible();
});
