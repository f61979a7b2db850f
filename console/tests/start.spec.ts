import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { go } from "./person.ts";
import { site } from "./site.ts";

test("who is new is led to a first trader, and sees it fire", async ({ page }) => {
  await page.goto(site().url);
  await page.getByRole("button", { name: "I am new here" }).click();
  await page.getByLabel("E-mail").fill(`new-${Math.random().toString(36).slice(2)}@example.com`);
  await page.getByLabel("Password").fill("quite a long one 42");
  await page.getByRole("button", { name: "Create account" }).click();

  await expect(page.getByRole("heading", { name: "First steps" })).toBeVisible();
  // What react-aria reads aloud of a pending button, whose page is gone by now, is no part of this one.
  const { violations } = await new AxeBuilder({ page }).exclude("[data-live-announcer]").analyze();
  expect(violations.filter((one) => one.impact === "serious" || one.impact === "critical")).toEqual([]);
  await page.getByRole("radio", { name: /Every turn upwards/ }).check();
  await page.getByRole("button", { name: "Start it" }).click();
  await expect(page.getByText("is waiting for its conditions").or(page.getByText("Every turn upwards fires")))
    .toBeVisible();
  await expect(page.getByText("Every turn upwards fires")).toBeVisible();
  await page.getByRole("list").getByRole("link", { name: "USDT" }).first().click();
  await expect(page).toHaveURL(/signals\/[0-9a-f-]{36}/);

  await go(page, "Traders");
  const row = page.getByRole("row").filter({ hasText: "Every turn upwards" });
  await row.getByRole("button", { name: "Pause Every turn upwards" }).click();
  await expect(row).toContainText("paused");
});
