import { expect, test } from "@playwright/test";
import { signIn } from "./person.ts";
import { site } from "./site.ts";

test("who signs in sees the console, live", async ({ page }) => {
  await signIn(page);
  await expect(page.getByText(site().email)).toBeVisible();
  await expect(page.getByRole("status").filter({ hasText: "Live" })).toBeVisible();
});

test("a wrong password is refused with a sentence", async ({ page }) => {
  await page.goto(site().url);
  await page.getByLabel("E-mail").fill(site().email);
  await page.getByLabel("Password").fill("not this one");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toHaveText("This e-mail and password do not belong together.");
});

test("who signs out is out, also after loading the page again", async ({ page }) => {
  await signIn(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});
