import { expect, test } from "@playwright/test";
import { signIn } from "./person.ts";
import { site } from "./site.ts";

test("on a phone orders are cards that fit, and touch opens their signal", async ({ page }) => {
  await signIn(page);
  await page.goto(`${site().url}#/positions?view=orders&status=["filled"]`);
  const card = page.getByRole("table", { name: "Orders" }).getByRole("row").nth(1);
  await expect(card.getByRole("cell").first()).toBeVisible();
  const { width } = (await card.boundingBox())!;
  expect(width).toBeLessThanOrEqual(page.viewportSize()!.width);
  expect(await page.locator("main").evaluate((main) => main.scrollWidth <= main.clientWidth)).toBe(true);
  await card.getByRole("link").tap();
  await expect(page.getByRole("region", { name: "Why" })).toBeVisible();
  expect(await page.locator("main").evaluate((main) => main.scrollWidth <= main.clientWidth)).toBe(true);
});
