// Reading a request's body within limits, so that a body that is too large costs no more than the part of it that fits.

import { Refusal } from "./refusal.ts";

export interface Limits {
  bytes: number;
  /** How many values the arrays of the document's first level may hold together. */
  rows: number;
  /** How deep arrays and objects may lie in each other. */
  depth: number;
}

/**
 * The text of a body. Throws a Refusal (413) as soon as a limit is passed, while the rest is still on its way, and
 * (400) for what is not UTF-8.
 */
export async function readBody(request: Request, limits: Limits): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > limits.bytes) throw tooLarge(limits.bytes);
  const shape = new Shape(limits);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  let text = "";
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > limits.bytes) throw tooLarge(limits.bytes);
      shape.push(chunk);
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new Refusal(400, "bad_body", "the body is not UTF-8 text");
    throw error;
  }
}

function tooLarge(bytes: number): Refusal {
  return new Refusal(413, "too_large", `a body holds at most ${bytes} bytes`, "send it in smaller batches");
}

const enum Byte {
  quote = 0x22,
  comma = 0x2c,
  backslash = 0x5c,
  openArray = 0x5b,
  closeArray = 0x5d,
  openObject = 0x7b,
  closeObject = 0x7d,
}

/** Counts the rows and the depth of a JSON document from its bytes, without making anything of them. */
class Shape {
  #rows = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(private readonly limits: Limits) {}

  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#inString) this.#readString(byte);
      else this.#readStructure(byte);
    }
  }

  #readString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === Byte.backslash) this.#escaped = true;
    else if (byte === Byte.quote) this.#inString = false;
  }

  #readStructure(byte: number): void {
    switch (byte) {
      case Byte.quote:
        this.#inString = true;
        break;
      case Byte.openArray:
      case Byte.openObject:
        this.#depth += 1;
        if (this.#depth > this.limits.depth) {
          throw new Refusal(400, "too_deep", `a body is at most ${this.limits.depth} levels deep`);
        }
        break;
      case Byte.closeArray:
      case Byte.closeObject:
        this.#depth -= 1;
        break;
      case Byte.comma:
        // { "signals": [ row, row, … ] }: what separates rows lies two levels deep.
        if (this.#depth === 2 && (this.#rows += 1) >= this.limits.rows) {
          throw new Refusal(
            413,
            "too_many_rows",
            `a batch holds at most ${this.limits.rows} rows`,
            "send it in smaller batches",
          );
        }
        break;
    }
  }
}
