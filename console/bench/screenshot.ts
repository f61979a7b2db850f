/** Takes the picture of the documentation from a running main job: see scripts/screenshot. */
import { chromium } from "@playwright/test";
import { signIn } from "../tests/person.ts";
import start from "../tests/site.ts";

const PICTURE = new URL("../../docs/console.png", import.meta.url).pathname;
// With so many signals the picture shows what becomes of them; the market makes them in a minute or two.
const ROWS = 18;

const stop = await start();
const browser = await chromium.launch({
  executablePath: process.env["SIGTRAIL_CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 }, colorScheme: "dark" });
  await signIn(page);
  await page.locator("[role=grid] [data-id]").nth(ROWS).waitFor({ timeout: 240_000 });
  await page.screenshot({ path: PICTURE });
} finally {
  await browser.close();
  await stop?.();
}
