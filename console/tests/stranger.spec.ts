import { expect, test } from "@playwright/test";
import { go, signIn } from "./person.ts";
import { site } from "./site.ts";

test("a stranger sees that the platform works, and nothing of anybody", async ({ page }) => {
  await signIn(page, "stranger");
  await go(page, "Performance");
  await expect(page.getByText("No signal was recorded yet")).toBeVisible();
  await expect(page.getByTestId("compared").getByRole("row", { name: /^Signals/ }).getByRole("cell").first())
    .toHaveText("0");

  await go(page, "Accounts");
  await expect(page.getByText("You have no account yet.")).toBeVisible();

  await go(page, "Machines");
  await expect(page.getByRole("region", { name: "The platform" })).toContainText(/1 of \d+ alive/);
  await expect(page.getByText("No machine has served you yet.")).toBeVisible();

  await go(page, "Audit");
  await expect(page.getByText("Nothing of this kind is in your trail.")).toBeVisible();
  await page.goto(`${site().url}#/audit?view=seals`);
  await expect(page.getByText("There are no seals that you may see.")).toBeVisible();
});
