import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { signIn } from "./person.ts";
import { ask } from "./database.ts";
import { site } from "./site.ts";

async function open(page: Page, address: string): Promise<void> {
  await page.goto(`${site().url}#/signals/${address}`);
}

/** A signal of the demo that ended so; waits until the market made one. */
async function ended(status: string): Promise<{ id: string; name: string; text: string }> {
  let found: { id: string; name: string; text: string }[] = [];
  await expect.poll(async () => {
    found = await ask(
      `select s.id, public.human_name(s) as name, o.description as text from public.signals s
       join public.outcome_codes o on o.code = s.outcome_code where s.status = '${status}' limit 1`,
    );
    return found.length;
  }).toBe(1);
  return found[0]!;
}

test("a traded signal tells its way from the candle to the fill, with a chart", async ({ page }) => {
  const { id, text } = await ended("closed");
  await signIn(page);
  await open(page, id);
  await expect(page.getByRole("region", { name: "Why" })).toContainText(`Traded. ${text}`);
  await expect(page.getByRole("region", { name: "Why" })).toContainText(/USDT .* after .* of fees/);
  const types = await page.getByRole("list", { name: "Timeline" }).getByRole("listitem")
    .evaluateAll((items) =>
      items.flatMap((item) => item.dataset["kind"] === "event" ? [item.dataset["type"]] : [])
    );
  expect(types[0]).toBe("signal_created");
  expect(types).toContain("position_opened");
  expect(types.at(-1)).toBe("position_closed");
  const chart = page.getByRole("group", { name: /Prices of .* with entry/ });
  await expect(chart.locator("canvas").first()).toBeVisible();
  await expect(page.getByRole("region", { name: "Fills" }).getByRole("row").nth(1)).toBeVisible();
  const faults = (await new AxeBuilder({ page }).exclude("[data-live-announcer]").analyze()).violations;
  expect(faults.filter((one) => one.impact === "serious" || one.impact === "critical")).toEqual([]);
});

test("a rejected signal says why; its human name is an address as well, and its id can be copied", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const { id, name, text } = await ended("rejected");
  await signIn(page);
  await open(page, name);
  // Several traders may have fired there at that moment.
  const choice = page.getByRole("link", { name: id });
  await expect(page.getByRole("heading", { name })).toBeVisible();
  if (await choice.isVisible()) await choice.click();
  await expect(page.getByRole("region", { name: "Why" })).toContainText(`Not traded. ${text}`);
  await page.getByRole("button", { name: "Copy the id" }).click();
  await expect(page.getByText("Copied")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(id);
});

test("a stranger is told that there is no such signal", async ({ page }) => {
  const { id } = await ended("closed");
  await signIn(page, "stranger");
  await open(page, id);
  await expect(page.getByText("There is no such signal of yours.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Why" })).toBeHidden();
});
