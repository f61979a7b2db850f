import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/audit.json" with { type: "json" };
import { cell, csvLine } from "./csv.ts";
import { COLUMNS } from "./report.ts";

test("every line is the one that the command line writes", () => {
  const rows = vectors.csv.rows as (string | null)[][];
  expect(rows.map((row) => csvLine(row.map(cell))).join("")).toBe(vectors.csv.text);
});

test("the columns are those of the command line", () => {
  expect(COLUMNS).toEqual(vectors.report_columns);
});
