import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import vectors from "../../tests/vectors/audit.json" with { type: "json" };
import { ask, run } from "./database.ts";
import { enter, newcomer } from "./newcomer.ts";
import { go, signIn } from "./person.ts";
import { site } from "./site.ts";

test("the trail is filtered by what happened and kept as a report", async ({ page }) => {
  await signIn(page);
  await go(page, "Audit");
  const trail = page.getByTestId("trail").locator("tbody tr");
  await expect(trail).not.toHaveCount(0);
  await page.goto(`${site().url}#/audit?event=signal_created`);
  await expect(trail.filter({ hasText: "signal created" })).not.toHaveCount(0);
  await expect(trail.filter({ hasNotText: "signal created" })).toHaveCount(0);

  await page.getByRole("navigation", { name: "Parts of the audit" }).getByRole("link", { name: "Report" })
    .click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Make the report" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("trail-begin-end.csv");
  const lines = readFileSync(await file.path(), "utf8").split("\r\n");
  expect(lines[0]).toBe(vectors.report_columns.join(","));
  // The market goes on: what is in the report is in the database, and what is older is in the report.
  const [first] = await ask<{ signal_id: string; count: number }>(
    `select e.signal_id, count(*) from public.signal_events e join public.users u on u.id = e.user_id
     where u.email = '${site().email}' group by 1 order by 1 limit 1`,
  );
  expect(lines.filter((line) => line.startsWith(first!.signal_id))).toHaveLength(first!.count);
  await expect(page.getByRole("status").filter({ hasText: "are in trail-begin-end.csv" })).toBeVisible();
});

test("who oversees the platform has the browser check the chain of seals", async ({ page }) => {
  // This site's archive seals nothing: a chain as the machines make it, once.
  const rows = JSON.stringify(vectors.seals.rows);
  await run(
    `insert into public.audit_seals select * from jsonb_populate_recordset(null::public.audit_seals, $$${rows}$$)
     on conflict do nothing`,
  );
  await enter(page, await newcomer({ operator: true }));
  await page.goto(`${site().url}#/audit?view=seals`);
  const verdict = page.getByTestId("verdict");
  await expect(page.getByTestId("seals").locator("tbody tr")).toHaveCount(vectors.seals.rows.length);

  await page.getByLabel(/Public keys/).fill(vectors.seals.public_keys[0]!);
  await page.getByRole("button", { name: "Check the chain" }).click();
  await expect(verdict).toContainText("intact, as far as a browser can tell");
  await expect(verdict).toContainText(`${vectors.seals.rows.length}:${vectors.seals.hashes.at(-1)}`);
  await expect(verdict).toContainText("sigtrail audit verify");

  // A head that another history had.
  await page.getByLabel(/A head/).fill(`3:${"0".repeat(64)}`);
  await page.getByRole("button", { name: "Check the chain" }).click();
  await expect(verdict.getByRole("alert")).toContainText("seal 3 is not the one that was written down");
});
