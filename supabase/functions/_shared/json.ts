// JSON that keeps the digits of numbers: what a 64-bit float would change (a price with twenty decimals, an order id
// of nineteen digits) is held as its own text and written back as it came.

interface ExactJson {
  rawJSON(text: string): object;
  isRawJSON(value: unknown): value is { rawJSON: string };
}
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

// ES2026 has these; the types that Deno ships don't yet.
const exact = JSON as unknown as ExactJson;
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;

/** Parses JSON text. Throws a SyntaxError. */
export function parseExactly(text: string): unknown {
  return parse(text, (_, value, { source }) =>
    // A string has a source as well.
    typeof value === "number" && source !== undefined && String(value) !== source
      ? exact.rawJSON(source)
      : value);
}

/** The digits of a number that `parseExactly` read, as they came; undefined for anything else. */
export function digitsOf(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return exact.isRawJSON(value) ? value.rawJSON : undefined;
}
