/** All traders of whoever is signed in. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Plus, Send } from "lucide-react";
import { useState } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { ManualSignal } from "./manual.tsx";
import { TraderTable } from "./table.tsx";
import { MOST, useTraders } from "./trader.ts";
import "./traders.css";

export function TradersPage() {
  const navigate = useNavigate({ from: "/traders" });
  const { search = "" } = useSearch({ from: "/traders" });
  const { data, error, refetch } = useTraders();
  const [byHand, setByHand] = useState(false);
  if (error && !data) return <ErrorFace error={error} retry={() => void refetch()} />;
  if (!data) return <Loading what="your traders" />;
  const wanted = search.trim().toLowerCase();
  const shown = data.filter((one) => `${one.name} ${one.symbols.join(" ")}`.toLowerCase().includes(wanted));

  return (
    <>
      <div className="row heading">
        <h1>Traders</h1>
        <Button onPress={() => setByHand(true)} isDisabled={data.length === 0}>
          <Send aria-hidden /> Signal by hand
        </Button>
        <Button kind="primary" onPress={() => navigate({ to: "/traders/new" })}>
          <Plus aria-hidden /> New trader
        </Button>
      </div>
      {data.length > 5 && (
        <TextField
          label="Find by name or symbol"
          type="search"
          value={search}
          onChange={(text) => navigate({ search: text ? { search: text } : {}, replace: true })}
        />
      )}
      {data.length === 0
        ? (
          <Empty title="There are no traders yet.">
            <Button kind="primary" onPress={() => navigate({ to: "/start" })}>Take the first steps</Button>
          </Empty>
        )
        : shown.length === 0
        ? <Empty title={`No trader has "${search}" in its name or symbols.`} />
        : <TraderTable traders={shown} />}
      {data.length === MOST && <p className="quiet">These are the first {MOST} by name.</p>}
      {byHand && <ManualSignal traders={data} onClose={() => setByHand(false)} />}
    </>
  );
}
