import { expect, test } from "@playwright/test";
import { ask } from "./database.ts";
import { demo } from "./newcomer.ts";
import { signIn } from "./person.ts";
import { site } from "./site.ts";

/** The UTC day of the market's latest trade; waits until there is one. */
async function lastDay(): Promise<string> {
  let day: string | null = null;
  await expect.poll(async () => {
    const [found] = await ask<{ day: string | null }>(
      "select max((closed_at at time zone 'UTC')::date) as day from public.positions where status = 'closed'",
    );
    return (day = found?.day ?? null);
  }).not.toBeNull();
  return day!;
}

test("performance shows what the functions of the database answer", async ({ page }) => {
  const day = await lastDay();
  const project = await demo();
  const range = { from_day: day, to_day: day };
  await signIn(page);
  await page.goto(`${site().url}#/performance?days=1&until=${day}&zone=UTC&by=outcome`);

  const rows = page.getByTestId("breakdown").locator("tbody tr");
  await expect(rows).not.toHaveCount(0);
  const shown = async () => {
    const lines = await rows.evaluateAll((all) =>
      all.map((row) => [...row.children].map((cell) => cell.textContent ?? ""))
    );
    return Object.fromEntries(lines.map(([key, signals]) => [key!.replaceAll(" ", "_"), Number(signals)]));
  };
  // The market goes on: both are asked until they are of one moment.
  await expect(async () => {
    await page.reload();
    await expect(rows).not.toHaveCount(0);
    const told = await project.rpc("performance_by", { dimension: "outcome", ...range });
    expect(await shown()).toEqual(Object.fromEntries(told.data!.map((one) => [one.key, one.signals])));
  }).toPass();

  const compared = page.getByTestId("compared").getByRole("row", { name: /^Trades closed/ });
  await expect(async () => {
    const told = await project.rpc("signal_series", {
      from_time: `${day}T00:00:00Z`,
      to_time: `${day}T23:59:59.999Z`,
      bucket: "1 day",
    });
    await page.reload();
    await expect(compared.getByRole("cell").first()).toHaveText(String(told.data![0]!.trades), {
      timeout: 3_000,
    });
  }).toPass();
  await expect(page.getByRole("img", { name: /^Profit .* trades, deepest fall/ })).toBeVisible();
  await page.getByText("Figures of the chart").click();
  await expect(page.getByRole("region", { name: "Profit over time" }).getByRole("row")).toHaveCount(25);
});

test("what is broken down stands in the address, and an empty time says where there is something", async ({ page }) => {
  await lastDay();
  await signIn(page);
  await page.goto(`${site().url}#/performance?zone=UTC`);
  await page.getByRole("link", { name: /^Your latest signal fired on/ }).click();
  await expect(page).toHaveURL(/until=2\d{3}-\d\d-\d\d/);
  await page.getByRole("navigation", { name: "Broken down by" }).getByRole("link", { name: "Outcome" })
    .click();
  await expect(page).toHaveURL(/by=outcome/);
  await expect(page.getByRole("heading", { name: "By outcome" })).toBeVisible();
  await expect(page.getByTestId("breakdown").locator("tbody tr")).not.toHaveCount(0);
  await page.getByLabel("Days").selectOption("90");
  await expect(page).toHaveURL(/days=.*90/);
});
