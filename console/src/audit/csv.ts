/** CSV as `sigtrail audit report` writes it: Python's, with cells that no spreadsheet runs. */

// What spreadsheets take for the beginning of a formula, the wide forms of East Asian keyboards among them.
const FORMULA = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"];

/** One value as a spreadsheet may show it; one sign alone is no formula. */
export function cell(value: string | null): string {
  if (value === null) return "";
  return [...value].length > 1 && FORMULA.some((sign) => value.startsWith(sign)) ? `'${value}` : value;
}

/** A line with its end. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(quote).join(",")}\r\n`;
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
