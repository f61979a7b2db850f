/**
 * One seal, and the bytes that its hash and its signature are of: those of PostgreSQL's `record_send`, the number of
 * columns, then of each its type, its length (-1 for null) and its value. workers/archive/seal.py makes the same bytes.
 */
import { z } from "zod";

const Hex = z.string().regex(/^\\x([0-9a-f]{2})*$/).transform((text) => fromHex(text.slice(2)));
const Whole = z.string().regex(/^-?\d{1,19}$/).transform((text) => BigInt(text));

/** A row of `audit_seals` as the REST interface answers it, whole numbers as text. */
export const Seal = z.object({
  number: Whole,
  kind: z.enum(["events", "archive", "compaction", "key"]),
  epoch: z.string(),
  partition_day: z.iso.date().nullable(),
  reference: Whole.nullable(),
  from_tx: Whole.nullable(),
  to_tx: Whole.nullable(),
  event_count: Whole,
  content_hash: Hex,
  previous_hash: Hex.nullable(),
  sealed_at: z.string(),
  key_id: z.string(),
  signature: Hex,
});
export type Seal = z.infer<typeof Seal>;
export const SEAL_COLUMNS =
  "number::text, kind, epoch, partition_day, reference::text, from_tx::text, to_tx::text, event_count::text, content_hash, previous_hash, sealed_at, key_id, signature";

export type Bytes = Uint8Array<ArrayBuffer>;

const TEXT = 25, INT8 = 20, DATE = 1082, BYTEA = 17, TIMESTAMPTZ = 1184;
/** Where PostgreSQL counts its days and microseconds from. */
const EPOCH = Date.UTC(2000, 0, 1);

/** What a seal's key signs, and its hash is of. */
export function messageOf(seal: Seal): Bytes {
  return frame([
    [TEXT, utf8("sigtrail seal 1")],
    [INT8, int8(seal.number)],
    [TEXT, utf8(seal.kind)],
    [TEXT, utf8(seal.epoch)],
    [DATE, seal.partition_day === null ? null : day(seal.partition_day)],
    [INT8, maybe(seal.reference)],
    [INT8, maybe(seal.from_tx)],
    [INT8, maybe(seal.to_tx)],
    [INT8, int8(seal.event_count)],
    [BYTEA, seal.content_hash],
    [BYTEA, seal.previous_hash],
    [TIMESTAMPTZ, int8(microseconds(seal.sealed_at))],
    [TEXT, utf8(seal.key_id)],
  ]);
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function areSame(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === null || other === null) return one === other;
  return one.length === other.length && one.every((byte, place) => byte === other[place]);
}

function frame(columns: readonly (readonly [type: number, value: Uint8Array | null])[]): Bytes {
  const size = columns.reduce((all, [, value]) => all + 8 + (value?.length ?? 0), 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, columns.length);
  let at = 4;
  for (const [type, value] of columns) {
    view.setUint32(at, type);
    view.setInt32(at + 4, value === null ? -1 : value.length);
    at += 8;
    if (value !== null) {
      bytes.set(value, at);
      at += value.length;
    }
  }
  return bytes;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function int8(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value);
  return bytes;
}

function maybe(value: bigint | null): Uint8Array | null {
  return value === null ? null : int8(value);
}

function day(text: string): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, (Date.parse(`${text}T00:00:00Z`) - EPOCH) / 86_400_000);
  return bytes;
}

/** A time with up to six places of its second, which a Date would cut to three. */
function microseconds(text: string): bigint {
  const parts = /^(.{19})(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!parts) throw new RangeError(`${text} is no time of a seal`);
  const whole = Date.parse(`${parts[1]}${parts[3]}`) - EPOCH;
  return BigInt(whole) * 1000n + BigInt((parts[2] ?? "").padEnd(6, "0"));
}
