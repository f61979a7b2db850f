import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/audit.json" with { type: "json" };
import { ChainCheck, type Head, readHead, readKey } from "./chain.ts";
import { fromHex, messageOf, Seal, sha256, toHex } from "./seal.ts";

type Row = Record<string, string | null>;
const ROWS = vectors.seals.rows as Row[];
const [FIRST] = vectors.seals.public_keys as [string, string];

async function check(rows: readonly Row[], { keys = [FIRST], head = null as Head | null } = {}) {
  const trusted = new Map(
    await Promise.all(keys.map(async (text) => {
      const { id, bytes } = await readKey(text);
      return [id, bytes] as const;
    })),
  );
  const chain = new ChainCheck(trusted, head);
  for (const row of rows) await chain.add(Seal.parse(row));
  return chain.report();
}

function changed(number: number, more: Row): Row[] {
  return ROWS.map((row, place) => place === number - 1 ? { ...row, ...more } : row);
}

test("hashes are those that the machines make", async () => {
  const hashes = await Promise.all(ROWS.map(async (row) => toHex(await sha256(messageOf(Seal.parse(row))))));
  expect(hashes).toEqual(vectors.seals.hashes);
});

test("the chain holds for who trusts its first key alone: it handed over to the second", async () => {
  const report = await check(ROWS);
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ seals: ROWS.length, signed: ROWS.length, days: 3 });
  expect(report.head).toEqual({ number: BigInt(ROWS.length), hash: vectors.seals.hashes.at(-1) });
});

test("without a key links are checked, and it is said that signatures are not", async () => {
  const report = await check(ROWS, { keys: [] });
  expect(report.findings).toEqual([]);
  expect(report.signed).toBe(0);
  expect(report.unproven[0]).toContain("Who signed the seals");
});

for (
  const [what, more] of [
    ["a count", { event_count: "12" }],
    ["a time, by a microsecond", { sealed_at: "2026-11-22T07:03:00.123454+00:00" }],
    ["a day", { partition_day: "2025-05-06" }],
    ["the content", { content_hash: `\\x${"00".repeat(32)}` }],
  ] as [string, Row][]
) {
  test(`${what} that was changed is found by signature and by link`, async () => {
    const found = (await check(changed(3, more))).findings.map((one) => one.message);
    expect(found).toContain("seal 3 does not bear its signature");
    expect(found).toContain("seal 4 does not follow seal 3");
  });
}

test("a seal that was taken out is missed", async () => {
  const report = await check(ROWS.filter((_, place) => place !== 3));
  expect(report.findings[0]).toEqual({ kind: "removed", message: "seal 4 is missing from the database" });
});

test("seals that changed places are found", async () => {
  const [one, two, ...rest] = ROWS as [Row, Row, ...Row[]];
  expect((await check([two, one, ...rest])).findings.length).toBeGreaterThan(0);
});

test("a chain that somebody else signed is not ours", async () => {
  const other = btoa(String.fromCharCode(...fromHex("11".repeat(32))));
  const report = await check(ROWS, { keys: [other] });
  expect(report.findings.at(-1)!.message).toContain("is not one of yours");
});

test("a head that was written down must still be there", async () => {
  const head = readHead(`3:${vectors.seals.hashes[2]}`);
  expect((await check(ROWS, { head })).findings).toEqual([]);
  expect((await check(ROWS.slice(0, 2), { head })).findings[0]!.kind).toBe("cut off");
  const other = readHead(`3:${"0".repeat(64)}`);
  expect((await check(ROWS, { head: other })).findings[0]!.message).toContain(
    "is not the one that was written down",
  );
});

test("what is no key or head is refused with a sentence", async () => {
  await expect(readKey("not base64!")).rejects.toThrow("no public key");
  await expect(readKey("AAAA")).rejects.toThrow("no public key");
  expect(() => readHead("12")).toThrow("no head");
});
