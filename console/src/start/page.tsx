/** The first steps: a trader from a template, a paper account, and the first signal. */
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { answer } from "../app/failure.ts";
import { useAttempt } from "../kit/attempt.ts";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import type { Project } from "../project.ts";
import { useProject, useUser } from "../session/session.tsx";
import { createTrader } from "../traders/changes.ts";
import { readSymbols, rowOf } from "../traders/draft.ts";
import { TRADERS } from "../traders/trader.ts";
import { skip } from "./skipped.ts";
import { TEMPLATES } from "./templates.ts";
import { Watch } from "./watch.tsx";
import "./start.css";

export function StartPage() {
  const { trader } = useSearch({ from: "/start" });
  const navigate = useNavigate({ from: "/start" });
  const { id } = useUser();

  function leave() {
    skip(id);
    void navigate({ to: "/signals" });
  }

  return (
    <div className="start stack">
      <div className="row heading">
        <h1>First steps</h1>
        <Button kind="plain" onPress={leave}>{trader ? "Go to the signals" : "Skip this"}</Button>
      </div>
      {trader
        ? <Watch id={trader} />
        : <Choose onMade={(made) => void navigate({ search: { trader: made }, replace: true })} />}
    </div>
  );
}

function Choose({ onMade }: { onMade: (trader: string) => void }) {
  const project = useProject();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState(TEMPLATES[0]!);
  const [symbols, setSymbols] = useState(chosen.draft.symbols);
  const { busy, failure, run } = useAttempt();

  const begin = () =>
    run(async () => {
      const account = await ensurePaperAccount(project, chosen.draft.market);
      const draft = { ...chosen.draft, symbols, default_exchange_account_id: account };
      const { id } = await createTrader(project, rowOf(draft));
      await queries.invalidateQueries({ queryKey: TRADERS });
      await queries.invalidateQueries({ queryKey: ["has-traders"] });
      onMade(id);
    });

  return (
    <>
      <fieldset className="templates">
        <legend>1. Choose a first trader. Everything of it can be changed later.</legend>
        {TEMPLATES.map((one) => (
          <label key={one.id} className="panel">
            <input
              type="radio"
              name="template"
              value={one.id}
              checked={one === chosen}
              onChange={() => setChosen(one)}
            />
            <span>
              <strong>{one.title}</strong>
              <span className="quiet">{one.says}</span>
              {one.draft.conditions.map((condition) => <code key={condition}>{condition}</code>)}
            </span>
          </label>
        ))}
      </fieldset>
      <TextField label="Symbols that it watches" value={symbols} onChange={setSymbols} />
      <section className="panel">
        <h2>2. It trades on paper</h2>
        <p className="quiet">
          A paper account with 10,000 USDT is made for it: fills are computed from the real prices, and no
          exchange ever hears of an order. An account with keys can take its place later.
        </p>
      </section>
      {failure && <p role="alert" className="notice">{failure}</p>}
      <div className="row end">
        <Button
          kind="primary"
          onPress={begin}
          isPending={busy}
          isDisabled={readSymbols(symbols).length === 0}
        >
          Start it
        </Button>
      </div>
    </>
  );
}

/** The id of a paper account on this market; one is made where there is none. */
async function ensurePaperAccount(project: Project, market: string): Promise<string> {
  const known = answer(
    await project.from("exchange_accounts").select("id").eq("venue", "paper").eq("market", market)
      .eq("permissions", "trade").order("created_at").limit(1),
  );
  if (known[0]) return known[0].id;
  const made = answer(
    await project.from("exchange_accounts").insert({
      name: `Paper ${market}`,
      venue: "paper",
      market,
      permissions: "trade",
      settings: { starting: { USDT: "10000" } },
    }).select("id").single(),
  );
  return made.id;
}
