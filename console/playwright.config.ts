import { defineConfig, devices } from "@playwright/test";

// The browser is Debian's, or the one that SIGTRAIL_CHROMIUM names: nothing is downloaded.
const executablePath = process.env["SIGTRAIL_CHROMIUM"] ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "tests",
  globalSetup: "./tests/site.ts",
  // They share one main job, and two cores.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    trace: "retain-on-failure",
    launchOptions: { executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] },
  },
  projects: [
    { name: "desktop", use: { viewport: { width: 1400, height: 900 } }, testIgnore: /phone/ },
    { name: "phone", use: { ...devices["Pixel 7"] }, testMatch: /phone/ },
  ],
});
