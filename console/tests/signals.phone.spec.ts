import { expect, test } from "@playwright/test";
import { signIn } from "./person.ts";

test("on a phone signals are cards, and a touch opens one", async ({ page }) => {
  await signIn(page);
  const card = page.getByRole("grid", { name: "Signals" }).locator("[data-id]").first();
  await expect(card).toBeVisible();
  await expect(page.getByRole("columnheader")).toHaveCount(0);
  expect((await card.boundingBox())!.height).toBeGreaterThan(80);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  await card.tap();
  await expect(page).toHaveURL(/\/signals\/[0-9a-f-]{36}/);
});
