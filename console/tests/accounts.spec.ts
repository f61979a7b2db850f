import { expect, test } from "@playwright/test";
import { go } from "./person.ts";
import { enter, newcomer } from "./newcomer.ts";

test("an owner limits, halts and resets an account, and the trail has why", async ({ page }) => {
  const ann = await newcomer();
  const { error } = await ann.project.from("exchange_accounts")
    .insert({ user_id: ann.id, name: "Mine", venue: "paper", market: "usdm", permissions: "trade" });
  expect(error).toBeNull();
  await enter(page, ann);
  await go(page, "Accounts");
  const state = page.getByRole("region", { name: "Risk state" });
  const trail = page.getByRole("region", { name: "Trail", exact: true });
  await expect(state.getByText("active", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Change limits" }).click();
  await page.getByLabel("Lost today").fill("250.125");
  await page.getByRole("button", { name: "Save limits" }).click();
  const lost = page.getByRole("region", { name: "Limits", exact: true }).getByRole("row", {
    name: /^Lost today/,
  });
  await expect(lost).toContainText("250.125");

  await page.getByRole("button", { name: "Halt" }).click();
  const dialog = page.getByRole("alertdialog");
  await expect(dialog).toContainText("every open position is closed");
  await dialog.getByRole("button", { name: "Halt" }).click();
  await expect(dialog.getByRole("alert")).toContainText("Say why");
  await dialog.getByLabel("Why").fill("the venue is odd today");
  await dialog.getByRole("button", { name: "Halt" }).click();
  await expect(state.getByText("halted", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Let it trade" }).click();
  await dialog.getByLabel("Why").fill("it answers again");
  await dialog.getByRole("button", { name: "Let it trade" }).click();
  await expect(state.getByText("active", { exact: true })).toBeVisible();
  await expect(trail.getByRole("row", { name: /status changed.*the venue is odd today · active → halted/ }))
    .toBeVisible();
  await expect(trail.getByRole("row", { name: /status changed.*it answers again · halted → active/ }))
    .toContainText(`user ${ann.id}`);
});
