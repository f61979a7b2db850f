import { expect, test } from "@playwright/test";
import { run } from "./database.ts";
import { enter, newcomer } from "./newcomer.ts";
import { go, signIn } from "./person.ts";

test("the machine that serves me is shown alive", async ({ page }) => {
  await signIn(page);
  await go(page, "Machines");
  const machines = page.getByTestId("machines").locator("tbody tr");
  await expect(machines.filter({ hasText: "running" }).first()).toContainText("analysis");
  await expect(page.getByRole("region", { name: "The platform" })).toContainText(/signals\s*1 of \d+ alive/);
});

test("who oversees the platform sees its machines, and acknowledges its alerts", async ({ page }) => {
  const title = `a test of the console ${crypto.randomUUID()}`;
  await run(
    `insert into public.alerts (kind, key, severity, title) values ('test', '${title}', 'info', '${title}')`,
  );
  const olga = await newcomer({ operator: true });
  await enter(page, olga);
  await go(page, "Machines");
  await expect(page.getByTestId("machines").locator("tbody tr").filter({ hasText: "running" })).not
    .toHaveCount(0);
  const alert = page.getByRole("listitem").filter({ hasText: title });
  await alert.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByLabel("What is being done").fill("looked at it");
  await page.getByRole("alertdialog").getByRole("button", { name: "Acknowledge" }).click();
  await expect(alert).toContainText(`seen by user ${olga.id}`);
  await expect(alert).toContainText("looked at it");
});
