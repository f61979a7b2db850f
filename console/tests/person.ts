/** What people do in every test: come in, and look around. */
import { expect, type Page } from "@playwright/test";
import { site } from "./site.ts";

/** Opens the console and signs in, as the demo's user unless it is the stranger. */
export async function signIn(page: Page, who: "demo" | "stranger" = "demo"): Promise<void> {
  const { url, email, password, stranger, strangerPassword } = site();
  await page.goto(url);
  await page.getByLabel("E-mail").fill(who === "demo" ? email : stranger);
  await page.getByLabel("Password").fill(who === "demo" ? password : strangerPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
  // The first page leads on as soon as it knows whether there is a trader: whoever went elsewhere by then is led away.
  await expect(page).toHaveURL(/#\/(signals|start)/);
}

/** Goes to a page by the menu. */
export async function go(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
}
