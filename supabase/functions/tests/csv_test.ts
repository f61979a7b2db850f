// CSV that every reader of RFC 4180 understands and no spreadsheet runs.

import { deepStrictEqual as same } from "node:assert/strict";
import { toRecord } from "../export-signals/csv.ts";

/** A reader of RFC 4180, to see that what was written can be read. */
function read(text: string): string[][] {
  const records: string[][] = [[]];
  for (let rest = text; rest !== "";) {
    const cell = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest);
    if (cell === null) throw new SyntaxError(`not RFC 4180: ${rest}`);
    records.at(-1)!.push(cell[1]?.replaceAll('""', '"') ?? cell[2]);
    if (cell[3] === "\r\n") records.push([]);
    rest = rest.slice(cell[0].length);
  }
  return records.slice(0, -1);
}

Deno.test("what was written is read again, and null is an empty cell", () => {
  const rows = [
    ["plain", "with, comma", 'with "quotes"', "two\r\nlines", "", " edge ", "ä€𝄞", '"'],
    ["", "", "", "", "", "", "", ","],
  ];
  same(read(rows.map(toRecord).join("")), rows);
  same(toRecord([null, "a", null]), ",a,\r\n");
  same(toRecord(["a"]), "a\r\n");
});

Deno.test("text that a spreadsheet would run is made text", () => {
  for (
    const formula of [
      "=1+1",
      "+cmd|' /C calc'!A0",
      "-2+3",
      "@SUM(A1)",
      "\t=1",
      "\r=1",
      "\n=1",
      "＝1+1",
      "=",
      "--5",
    ]
  ) {
    same(read(toRecord([formula])), [[`'${formula}`]]);
  }
  same(toRecord(['=HYPERLINK("http://x","y")']), '"\'=HYPERLINK(""http://x"",""y"")"\r\n');
});

Deno.test("numbers stay numbers to the last digit", () => {
  for (const number of ["-0.00000000000000000001", "+5", "-12", "64000.50", "12345678901234567890.123"]) {
    same(toRecord([number]), `${number}\r\n`);
  }
});
