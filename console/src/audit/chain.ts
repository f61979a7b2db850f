/**
 * The chain of seals, checked in the browser: every number, every link, and every signature whose key is known. It is
 * the part of `sigtrail audit verify` that needs neither the events nor the archive; workers/archive/chain.py is the
 * whole of it.
 */
import { areSame, type Bytes, messageOf, type Seal, sha256, toHex } from "./seal.ts";

export interface Finding {
  readonly kind: "removed" | "forged seal" | "cut off";
  readonly message: string;
}

/** A seal that was written down before: it must still be there. */
export interface Head {
  readonly number: bigint;
  readonly hash: string;
}

export interface Report {
  readonly seals: number;
  readonly events: bigint;
  readonly days: number;
  /** Seals whose signature was checked, and holds. */
  readonly signed: number;
  readonly head: Head | null;
  readonly sealedAt: string | null;
  readonly findings: readonly Finding[];
  readonly unproven: readonly string[];
}

const MOST = 20;

/** Whether this browser can check Ed25519 signatures; hashes it can check wherever a page is served safely. */
export async function canVerify(): Promise<boolean> {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") return false;
    throw error;
  }
}

/** A public key out of base64. Raises RangeError with a sentence. */
export async function readKey(text: string): Promise<{ id: string; bytes: Bytes }> {
  // 32 bytes, and nothing else.
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text.trim())) {
    throw new RangeError(
      "This is no public key: it is base64 of 32 bytes, as `sigtrail audit key` prints it.",
    );
  }
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  return { id: toHex(await sha256(bytes)), bytes };
}

/** `NUMBER:HASH` as `sigtrail audit verify` prints it. Raises RangeError with a sentence. */
export function readHead(text: string): Head {
  const parts = /^([1-9]\d*):([0-9a-f]{64})$/.exec(text.trim());
  if (!parts) throw new RangeError("This is no head of a chain: it is NUMBER:HASH, as the check prints it.");
  return { number: BigInt(parts[1]!), hash: parts[2]! };
}

/** Checks seals one after the other; what was learned so far can be told at any time. */
export class ChainCheck {
  private readonly findings: Finding[] = [];
  private readonly ends = new Map<string, bigint>();
  private readonly keys: Map<string, Promise<CryptoKey>>;
  private readonly trusted: Set<string>;
  private last: { seal: Seal; hash: Bytes } | null = null;
  private count = 0;
  private events = 0n;
  private signed = 0;
  private sawHead = false;

  /** trusted: public keys from outside, by id; a key that one of them handed over to is trusted too. */
  constructor(trusted: ReadonlyMap<string, Bytes>, private readonly head: Head | null) {
    this.trusted = new Set(trusted.keys());
    this.keys = new Map([...trusted].map(([id, bytes]) => [id, importKey(bytes)]));
  }

  /** The next seal, in order of the numbers. */
  async add(seal: Seal): Promise<void> {
    const expected = this.last === null ? 1n : this.last.seal.number + 1n;
    if (seal.number !== expected) this.find("removed", `seal ${expected} is missing from the database`);
    const message = messageOf(seal);
    const hash = await sha256(message);
    await this.checkSignature(seal, message);
    if (seal.number === expected && !areSame(seal.previous_hash, this.last?.hash ?? null)) {
      this.find("forged seal", `seal ${seal.number} does not follow seal ${expected - 1n}`);
    }
    if (seal.kind === "events" && seal.partition_day !== null) {
      const start = this.ends.get(seal.partition_day) ?? 0n;
      // After a gap in the numbers the missing seal may have been this day's.
      if (seal.from_tx !== start && BigInt(this.count) === seal.number - 1n) {
        this.find(
          "forged seal",
          `seal ${seal.number} covers ${seal.partition_day} from transaction ${seal.from_tx}, the one before it ended at ${start}`,
        );
      }
      this.ends.set(seal.partition_day, seal.to_tx ?? 0n);
      this.events += seal.event_count;
    }
    if (seal.number === this.head?.number) {
      this.sawHead = true;
      if (toHex(hash) !== this.head.hash) {
        this.find("forged seal", `seal ${seal.number} is not the one that was written down`);
      }
    }
    this.count++;
    this.last = { seal, hash };
  }

  /** What was found, once there are no more seals. */
  report(): Report {
    const findings = [...this.findings];
    if (this.head !== null && !this.sawHead) {
      findings.push({
        kind: "cut off",
        message:
          `the chain ends at seal ${this.count}, and seal ${this.head.number} was written down: the newest history ` +
          "was cut off, or an older state of the database was restored",
      });
    }
    if (this.last !== null && this.trusted.size > 0 && !this.trusted.has(this.last.seal.key_id)) {
      findings.push({
        kind: "forged seal",
        message:
          `the newest seal ${this.last.seal.number} is signed by key ${
            this.last.seal.key_id.slice(0, 16)
          }, which ` +
          "is not one of yours",
      });
    }
    return {
      seals: this.count,
      events: this.events,
      days: this.ends.size,
      signed: this.signed,
      head: this.last === null ? null : { number: this.last.seal.number, hash: toHex(this.last.hash) },
      sealedAt: this.last?.seal.sealed_at ?? null,
      findings,
      unproven: this.unproven(),
    };
  }

  private unproven(): string[] {
    const told = [
      "That the events are those that were sealed: their content is hashed over everybody's events, which a browser does " +
      "not read. `sigtrail audit verify` does, and compares the archive's copies of the seals.",
      "Events that came after the newest seal.",
      "What the database shows a browser: one that lies to it can only be found from outside.",
    ];
    if (this.trusted.size === 0) {
      told.unshift(
        "Who signed the seals: no public key was given, so whoever owns the database could have made this chain.",
      );
    } else if (this.signed < this.count) {
      told.unshift(
        `The signatures of ${
          this.count - this.signed
        } seals, whose keys were not given. The newest one carries the hash ` +
          "of the one before it, and so on to the first.",
      );
    }
    if (this.head === null) {
      told.push("That the newest history was not cut off: no head was written down before.");
    }
    return told;
  }

  private async checkSignature(seal: Seal, message: Bytes): Promise<void> {
    const key = this.keys.get(seal.key_id);
    if (key === undefined) return;
    if (!await crypto.subtle.verify("Ed25519", await key, seal.signature, message)) {
      this.find("forged seal", `seal ${seal.number} does not bear its signature`);
      return;
    }
    this.signed++;
    // Only what a trusted key signed hands the trust over.
    if (seal.kind === "key") {
      const id = toHex(await sha256(seal.content_hash));
      this.trusted.add(id);
      this.keys.set(id, importKey(seal.content_hash));
    }
  }

  private find(kind: Finding["kind"], message: string): void {
    if (this.findings.length < MOST) this.findings.push({ kind, message });
  }
}

function importKey(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "Ed25519", false, ["verify"]);
}
