/** Starts the main job that the tests drive, unless SIGTRAIL_SITE names one that runs (the JSON that it prints). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));

export interface Site {
  readonly url: string;
  readonly supabaseUrl: string;
  readonly dbUrl: string;
  readonly email: string;
  readonly password: string;
  readonly stranger: string;
  readonly strangerPassword: string;
}

/** Where the tests are, and as whom. */
export function site(): Site {
  const told = process.env["SIGTRAIL_SITE"];
  if (!told) throw new Error("SIGTRAIL_SITE is not set: run the tests with `npm run e2e`");
  return JSON.parse(told) as Site;
}

export default async function start(): Promise<(() => Promise<void>) | undefined> {
  if (process.env["SIGTRAIL_SITE"]) return undefined;
  const job = spawn(".venv/bin/python", ["-m", "tests.console.site"], {
    cwd: CHECKOUT,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(job, "exit");
  const lines = createInterface({ input: job.stdout });
  const told = await Promise.race([once(lines, "line"), ended.then(() => null)]);
  if (!told) throw new Error("the main job could not be started: see above");
  process.env["SIGTRAIL_SITE"] = String(told[0]);
  return async () => {
    job.stdin.end();
    await ended;
  };
}
