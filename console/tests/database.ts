/** What the database knows, for tests that compare the page with it: asked with psql, as its owner. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { site } from "./site.ts";

/** The rows that a query answers. */
export async function ask<Row>(query: string): Promise<Row[]> {
  return JSON.parse(await run(`select coalesce(json_agg(q), '[]') from (${query}) q`)) as Row[];
}

/** Carries out a statement, as the database's owner. */
export async function run(statement: string): Promise<string> {
  const { stdout } = await promisify(execFile)("psql", [
    "-XAtq",
    "-v",
    "ON_ERROR_STOP=1",
    "-c",
    statement,
    site().dbUrl,
  ]);
  return stdout;
}
