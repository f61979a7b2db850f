/** The chain of seals: what it says, and what this browser can check of it by itself. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { z } from "zod";
import { answer, judge } from "../app/failure.ts";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { Figure, Figures } from "../kit/figures.tsx";
import { Moment } from "../kit/moment.tsx";
import { Scroller } from "../kit/scroller.tsx";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";
import { canVerify, ChainCheck, type Head, readHead, readKey, type Report } from "./chain.ts";
import { Seal, SEAL_COLUMNS } from "./seal.ts";

const PAGE = 500;
// Neither is a secret: the public key and the newest seal that this device saw.
const KEYS = "sigtrail.seal-keys";
const HEAD = "sigtrail.seal-head";

export function Seals() {
  const project = useProject();
  const newest = useQuery({
    queryKey: ["audit", "seals"],
    queryFn: async ({ signal }) =>
      z.array(Seal).parse(answer(
        await project.from("audit_seals").select(SEAL_COLUMNS).order("number", { ascending: false }).limit(50)
          .abortSignal(signal),
      )),
  });
  if (newest.isPending) return <Loading what="the seals" />;
  if (newest.isError) return <ErrorFace error={newest.error} retry={() => void newest.refetch()} />;
  if (newest.data.length === 0) {
    return (
      <section className="panel stack" aria-labelledby="seals">
        <h2 id="seals">Seals</h2>
        <Empty title="There are no seals that you may see.">
          <p>
            Every event is sealed into one signed chain, so that nobody can change history unseen. A seal
            covers everybody's events: to one user alone it proves nothing, so only who oversees the platform
            sees the chain, and <code>sigtrail audit verify</code> checks the events against it.
          </p>
        </Empty>
      </section>
    );
  }
  return (
    <section className="panel stack" aria-labelledby="seals">
      <h2 id="seals">Seals</h2>
      <Check project={project} />
      <Scroller label="The newest seals">
        <table className="grid" data-testid="seals">
          <thead>
            <tr>
              <th scope="col" className="figure">Seal</th>
              <th scope="col">Of</th>
              <th scope="col">Day</th>
              <th scope="col" className="figure">Events</th>
              <th scope="col">Sealed</th>
              <th scope="col">Key</th>
            </tr>
          </thead>
          <tbody>
            {newest.data.map((one) => (
              <tr key={String(one.number)}>
                <th scope="row" className="figure number">{String(one.number)}</th>
                <td>{one.kind}{one.reference !== null && ` ${one.reference}`}</td>
                <td className="number">{one.partition_day ?? ""}</td>
                <td className="figure number">{String(one.event_count)}</td>
                <td>
                  <Moment value={one.sealed_at} />
                </td>
                <td className="number">{one.key_id.slice(0, 16)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </section>
  );
}

function Check({ project }: { project: Project }) {
  const [keys, setKeys] = useState(() => localStorage.getItem(KEYS) ?? "");
  const [head, setHead] = useState(() => localStorage.getItem(HEAD) ?? "");
  const [checked, setChecked] = useState<number | null>(null);
  const [report, setReport] = useState<Report | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const work = useRef<AbortController | null>(null);
  useEffect(() => () => work.current?.abort(), []);

  async function verify() {
    const ending = new AbortController();
    work.current = ending;
    setChecked(0);
    setReport(null);
    setFailure(null);
    try {
      const found = await check(
        project,
        keys,
        head === "" ? null : readHead(head),
        setChecked,
        ending.signal,
      );
      setReport(found);
      localStorage.setItem(KEYS, keys);
      // A chain that is broken is no measure for the next one.
      if (found.findings.length === 0 && found.head) {
        const told = `${found.head.number}:${found.head.hash}`;
        localStorage.setItem(HEAD, told);
        setHead(told);
      }
    } catch (error) {
      if (!ending.signal.aborted) {
        const { message, hint } = judge(error);
        setFailure(error instanceof RangeError ? error.message : `${message} ${hint}`.trim());
      }
    } finally {
      setChecked(null);
    }
  }

  return (
    <div className="stack">
      <div className="toolbar">
        <TextField
          label="Public keys that you trust (base64, one or more)"
          value={keys}
          onChange={setKeys}
          placeholder="without one, signatures are not checked"
        />
        <TextField
          label="A head that was written down (NUMBER:HASH)"
          value={head}
          onChange={setHead}
          placeholder="without one, a cut is not found"
        />
        {checked === null
          ? <Button kind="primary" onPress={() => void verify()}>Check the chain</Button>
          : <Button onPress={() => work.current?.abort()}>Cancel</Button>}
      </div>
      <p role="status">{checked !== null && `${checked} seals checked …`}</p>
      {failure && <p role="alert" className="notice">{failure}</p>}
      {report && <Told report={report} />}
    </div>
  );
}

function Told({ report }: { report: Report }) {
  return (
    <div className="stack" data-testid="verdict">
      <p>
        {report.findings.length === 0
          ? <Badge tone="good">intact, as far as a browser can tell</Badge>
          : <Badge tone="bad">broken</Badge>}
      </p>
      {report.findings.length > 0 && (
        <ul role="alert">
          {report.findings.map((one, place) => (
            <li key={place}>
              <b>{one.kind}</b>: {one.message}
            </li>
          ))}
        </ul>
      )}
      <Figures>
        <Figure name="Seals">{report.seals}</Figure>
        <Figure name="Signatures that hold">{report.signed}</Figure>
        <Figure name="Events under them">{String(report.events)}</Figure>
        <Figure name="Days">{report.days}</Figure>
        <Figure name="Newest">
          <Moment value={report.sealedAt} />
        </Figure>
      </Figures>
      {report.head && (
        <p>
          Head:{" "}
          <code className="details">{`${report.head.number}:${report.head.hash}`}</code>. Write it down
          elsewhere: with it a later check proves that this history is still in the chain.
        </p>
      )}
      <p>What this does not prove:</p>
      <ul>{report.unproven.map((one) => <li key={one}>{one}</li>)}</ul>
    </div>
  );
}

async function check(
  project: Project,
  keys: string,
  head: Head | null,
  tell: (checked: number) => void,
  signal: AbortSignal,
): Promise<Report> {
  if (!globalThis.isSecureContext) {
    throw new RangeError("A browser checks hashes only on https or on this machine: open the console there.");
  }
  const texts = keys.split(/[\s,]+/).filter((one) => one !== "");
  if (texts.length > 0 && !await canVerify()) {
    throw new RangeError(
      "This browser cannot check Ed25519 signatures: use a newer one, or `sigtrail audit verify`.",
    );
  }
  const trusted = await Promise.all(texts.map(readKey));
  const chain = new ChainCheck(new Map(trusted.map(({ id, bytes }) => [id, bytes])), head);
  let last = "0";
  let count = 0;
  while (true) {
    const rows = z.array(Seal).parse(answer(
      await project.from("audit_seals").select(SEAL_COLUMNS).gt("number", last).order("number").limit(PAGE)
        .abortSignal(signal),
    ));
    for (const seal of rows) await chain.add(seal);
    count += rows.length;
    tell(count);
    if (rows.length < PAGE) return chain.report();
    last = String(rows.at(-1)!.number);
  }
}
