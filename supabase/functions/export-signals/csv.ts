// CSV as RFC 4180 has it: CRLF, quotes doubled, a header line. Spreadsheets take a cell that begins like a formula for
// one, and run it: such text gets an apostrophe in front. Numbers are no formulas and stay as they are.

const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[+-]?\d+(\.\d+)?$/;
const QUOTED = /[",\r\n]|^\s|\s$/;
// Most cells are none of these: one look for all of them.
const SPECIAL = /[",\r\n]|^[\s=+\-@\uff1d\uff0b\uff0d\uff20]|\s$/;

/** One record with its line end. null is an empty cell. */
export function toRecord(cells: readonly (string | null)[]): string {
  let record = "";
  for (let place = 0; place < cells.length; place += 1) {
    if (place > 0) record += ",";
    const cell = cells[place];
    if (cell !== null) record += SPECIAL.test(cell) ? toSafeCell(cell) : cell;
  }
  return record + "\r\n";
}

function toSafeCell(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
