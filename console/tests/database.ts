/** What the database knows, for tests that compare the page with it: asked with psql, as its owner. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { site } from "./site.ts";

/** The rows that a query answers. */
export async function ask<Row>(query: string): Promise<Row[]> {
  const { stdout } = await promisify(execFile)("psql", [
    "-XAtq",
    "-v",
    "ON_ERROR_STOP=1",
    "-c",
    `select coalesce(json_agg(q), '[]') from (${query}) q`,
    site().dbUrl,
  ]);
  return JSON.parse(stdout) as Row[];
}
