/** A signal made by hand: it goes in through the edge function, with the source `local`. */
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Dialog, Heading } from "react-aria-components";
import { useAttempt } from "../kit/attempt.ts";
import { Button } from "../kit/button.tsx";
import { Choice } from "../kit/choice.tsx";
import { TextField } from "../kit/field.tsx";
import { Window } from "../kit/window.tsx";
import { useProject } from "../session/session.tsx";
import { sendSignal, type Sent } from "./send.ts";
import type { Trader } from "./trader.ts";

export function ManualSignal({ traders, onClose }: { traders: readonly Trader[]; onClose: () => void }) {
  const project = useProject();
  const [trader, setTrader] = useState(traders[0]!);
  const [symbol, setSymbol] = useState(trader.symbols[0] ?? "");
  const [price, setPrice] = useState("");
  const [tags, setTags] = useState("");
  // The same request sent again is not another signal, as long as nothing in it was changed.
  const [request, setRequest] = useState(() => crypto.randomUUID());
  const [at, setAt] = useState(() => Date.now());
  const [said, setSaid] = useState<Sent | null>(null);
  const { busy, failure, clear, run } = useAttempt();

  function choose(id: string) {
    const chosen = traders.find((one) => one.id === id)!;
    setTrader(chosen);
    setSymbol(chosen.symbols[0] ?? "");
    renew();
  }

  function renew() {
    setRequest(crypto.randomUUID());
    setAt(Date.now());
    setSaid(null);
    clear();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    await run(async () =>
      setSaid(
        await sendSignal(project, request, {
          trader_id: trader.id,
          symbol: symbol.trim().toUpperCase(),
          interval: trader.interval,
          triggered_at: at,
          side: trader.side,
          price: price.trim(),
          tags: tags.split(",").map((one) => one.trim()).filter(Boolean),
        }),
      )
    );
  }

  return (
    <Window busy={busy} onClose={onClose}>
      <Dialog>
        <form className="stack" onSubmit={submit} noValidate>
          <Heading slot="title">Signal by hand</Heading>
          <p className="quiet">
            It is recorded as fired now by this trader, and takes the same way as any other: analysis,
            monitoring, and trading where the trader has an account.
          </p>
          <Choice
            label="Trader"
            value={trader.id}
            onChange={choose}
            options={traders.map((one) => ({
              value: one.id,
              label: `${one.name} (${one.side}, ${one.interval})`,
            }))}
          />
          <TextField
            label="Symbol"
            value={symbol}
            onChange={(text) => {
              setSymbol(text);
              renew();
            }}
          />
          <TextField
            label="Price"
            inputMode="decimal"
            value={price}
            onChange={(text) => {
              setPrice(text);
              renew();
            }}
            hint="At which it would be entered, such as 64000.5"
          />
          <TextField
            label="Tags"
            value={tags}
            onChange={(text) => {
              setTags(text);
              renew();
            }}
            hint="Parted by commas; they may stay empty."
          />
          {failure && <p role="alert" className="notice">{failure}</p>}
          {said?.rejected && <p role="alert" className="notice">Not recorded: {said.rejected}.</p>}
          {said && !said.rejected && (
            <p role="status">
              {said.inserted > 0 ? "Recorded with the source local." : "It was recorded already."}{" "}
              <Link to="/signals/$id" params={{ id: said.id }} onClick={onClose}>Look at it</Link>
            </p>
          )}
          <div className="row end">
            <Button onPress={onClose} isDisabled={busy}>
              {said && !said.rejected ? "Close" : "Cancel"}
            </Button>
            {!(said && !said.rejected) && <Button type="submit" kind="primary" isPending={busy}>Send</Button>}
          </div>
        </form>
      </Dialog>
    </Window>
  );
}
