// The identity of a signal: a UUIDv8 (RFC 9562) that any machine computes alike. 48 bits of Unix milliseconds of
// `triggered_at`, version 8, variant 10, and the first 74 bits of SHA-256 over `trader_id|symbol|interval`.
// SQL and Python hold the same definition; tests/vectors/signal_ids.json keeps the three together.

const LAST_MS = 2 ** 48 - 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The id of the signal that a trader fires on a symbol and interval at a candle's close (a Date, or whole Unix
 * milliseconds). Throws a RangeError for a time that doesn't fit 48 bits and for names that are none.
 */
export async function signalId(
  traderId: string,
  symbol: string,
  interval: string,
  triggeredAt: Date | number,
): Promise<string> {
  // A Date holds whole milliseconds; a number with a fraction is somebody's mistake.
  const ms = Number(triggeredAt);
  if (!Number.isInteger(ms) || ms < 0 || ms > LAST_MS) {
    throw new RangeError(`triggered_at ${ms} ms does not fit the 48 bits of a signal's id`);
  }
  if (!UUID.test(traderId)) throw new RangeError(`the trader id ${traderId} is no UUID`);
  for (const [field, text] of [["symbol", symbol], ["interval", interval]] as const) {
    if (text === "" || text.includes("|")) {
      throw new RangeError(`the ${field} "${text}" must not be empty and must not contain "|"`);
    }
  }
  const name = new TextEncoder().encode(`${traderId.toLowerCase()}|${symbol}|${interval}`);
  const digest = new DataView(await crypto.subtle.digest("SHA-256", name));
  const first74 = (digest.getBigUint64(0) << 10n) | BigInt(digest.getUint16(8) >> 6);
  const bits = BigInt(ms) << 80n | 0x8n << 76n | (first74 >> 62n) << 64n | 0b10n << 62n |
    (first74 & (1n << 62n) - 1n);
  const hex = bits.toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The Unix milliseconds that a signal's id carries. Throws a RangeError for an id that is no UUIDv8. */
export function triggeredMs(id: string): number {
  if (!UUID.test(id) || id[14] !== "8") throw new RangeError(`${id} is not a signal's id (UUID version 8)`);
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
