/** Limits of an account beside what of them is used, and the form that changes them. */
import { useQueryClient } from "@tanstack/react-query";
import Decimal from "decimal.js";
import { type FormEvent, useState } from "react";
import { judge } from "../app/failure.ts";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { formatDecimal } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import { type Account, ACCOUNTS, type Limits, setLimits } from "./account.ts";
import { asked, LIMITS, used } from "./limit.ts";

export interface Use {
  readonly daily_loss: string;
  readonly drawdown: string;
  readonly positions: number;
  readonly notional: string;
  readonly orders_last_minute: number;
}

export function LimitsPanel(
  { account, use, limits }: { account: Account; use: Use | null; limits: Limits | null },
) {
  const [editing, setEditing] = useState(false);
  return (
    <section className="panel stack" aria-labelledby="account-limits">
      <h3 id="account-limits">Limits</h3>
      <Scroller label="Limits and what of them is used">
        <table className="grid">
          <thead>
            <tr>
              <th scope="col">Limit</th>
              <th scope="col" className="figure">Now</th>
              <th scope="col" className="figure">At most</th>
              <th scope="col">Used</th>
            </tr>
          </thead>
          <tbody>
            {LIMITS.map(({ name, label, use: of }) => {
              const most = limits?.[name] ?? null;
              const now = of && use ? String(use[of]) : null;
              const part = used(now, most === null ? null : String(most));
              return (
                <tr key={name}>
                  <th scope="row">{label}</th>
                  <td className="figure number">
                    {now === null ? "–" : formatDecimal(new Decimal(now).toFixed())}
                  </td>
                  <td className="figure number">
                    {most === null ? <span className="quiet">no limit</span> : formatDecimal(String(most))}
                  </td>
                  <td>{part !== null && <Part percent={part} />}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroller>
      <p className="quiet">
        {`Losses from ${
          limits?.reduce_at_percent ?? 80
        } % of their limit on make the account only reduce; at the whole` +
          " of it it is halted, until a person resets it above. A day is a UTC day."}
      </p>
      {editing
        ? <Form account={account} limits={limits} onClose={() => setEditing(false)} />
        : (
          <div className="row">
            <Button onPress={() => setEditing(true)}>Change limits</Button>
          </div>
        )}
    </section>
  );
}

function Part({ percent }: { percent: number }) {
  const tone = percent >= 100 ? "loss" : percent >= 80 ? "warn" : "";
  return (
    <span className={`used ${tone}`}>
      <meter min={0} max={100} high={80} optimum={0} value={Math.min(percent, 100)} aria-label="used" />
      <span className="number">{percent} %</span>
    </span>
  );
}

function Form(
  { account, limits, onClose }: { account: Account; limits: Limits | null; onClose: () => void },
) {
  const project = useProject();
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setFailure(null);
    try {
      const wanted = asked((name) => String(form.get(name) ?? ""), limits);
      if (Object.keys(wanted).length > 0) {
        await setLimits(project, account.id, wanted);
        await queries.invalidateQueries({ queryKey: [ACCOUNTS, account.id] });
      }
      onClose();
    } catch (error) {
      const { message, hint } = judge(error);
      setFailure(error instanceof RangeError ? error.message : `${message} ${hint}`.trim());
    } finally {
      setBusy(false);
    }
  }

  return (
    <form onSubmit={save} className="stack">
      <div className="limit-fields">
        {[...LIMITS, { name: "reduce_at_percent" as const, label: "Only reduce from this percent on" }].map(
          ({ name, label }) => (
            <TextField
              key={name}
              name={name}
              label={label}
              inputMode="decimal"
              defaultValue={String(limits?.[name] ?? (name === "reduce_at_percent" ? 80 : ""))}
              placeholder="no limit"
            />
          ),
        )}
      </div>
      {failure && <p role="alert" className="notice">{failure}</p>}
      <div className="row end">
        <Button onPress={onClose} isDisabled={busy}>Cancel</Button>
        <Button type="submit" kind="primary" isPending={busy}>Save limits</Button>
      </div>
    </form>
  );
}
