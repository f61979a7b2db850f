/** Making a trader, and changing one. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useRef } from "react";
import { z } from "zod";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";
import { changeTrader, createTrader, useChange } from "./changes.ts";
import { changedLimits, type Draft, draftOf, EMPTY, LIMITS, type Limits, NO_LIMITS, rowOf } from "./draft.ts";
import { PartlySaved } from "./refusal.ts";
import { TraderForm } from "./form.tsx";
import { TRADERS, useAccounts, useTrader } from "./trader.ts";
import "./traders.css";

export function NewTraderPage() {
  const project = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const accounts = useAccounts();
  const made = useRef<string | null>(null);
  if (accounts.error) return <ErrorFace error={accounts.error} retry={() => void accounts.refetch()} />;
  if (!accounts.data) return <Loading what="your accounts" />;
  const tradable = accounts.data.filter((one) => one.permissions === "trade");

  async function save(draft: Draft, limits: Limits) {
    // Once it is made, saving again changes it: its limits may have been refused.
    const { id } = made.current
      ? await changeTrader(project, made.current, rowOf(draft))
      : await createTrader(project, rowOf(draft));
    made.current = id;
    await queries.invalidateQueries({ queryKey: TRADERS });
    await setLimits(project, id, changedLimits(NO_LIMITS, limits));
    await navigate({ to: "/traders" });
  }

  return (
    <>
      <h1>New trader</h1>
      <TraderForm
        draft={{ ...EMPTY, default_exchange_account_id: tradable[0]?.id ?? "" }}
        limits={NO_LIMITS}
        accounts={tradable}
        action="Create trader"
        onSave={save}
        onCancel={() => void navigate({ to: "/traders" })}
      />
    </>
  );
}

export function EditTraderPage() {
  const { id } = useParams({ from: "/traders/$id/edit" });
  const project = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const change = useChange();
  const accounts = useAccounts();
  const trader = useTrader(id);
  const limits = useLimits(id);
  const error = trader.error ?? accounts.error ?? limits.error;
  if (error) return <ErrorFace error={error} retry={() => void trader.refetch()} />;
  if (trader.data === null) return <Empty title="There is no such trader of yours." />;
  if (!trader.data || !accounts.data || !limits.data) return <Loading what="the trader" />;
  const known = limits.data;

  async function save(draft: Draft, wanted: Limits) {
    await change.mutateAsync({ id, row: rowOf(draft) });
    await setLimits(project, id, changedLimits(known, wanted));
    await queries.invalidateQueries({ queryKey: ["limits", id] });
    await navigate({ to: "/traders/$id", params: { id } });
  }

  return (
    <>
      <h1>{trader.data.name}</h1>
      <TraderForm
        draft={draftOf(trader.data)}
        limits={known}
        accounts={accounts.data.filter((one) => one.permissions === "trade")}
        action="Save"
        onSave={save}
        onCancel={() => void navigate({ to: "/traders/$id", params: { id } })}
      />
    </>
  );
}

const LimitRow = z.object(Object.fromEntries(LIMITS.map((one) => [one, z.string().nullable()])));

function useLimits(id: string) {
  const project = useProject();
  return useQuery({
    queryKey: ["limits", id],
    queryFn: async ({ signal }): Promise<Limits> => {
      const columns = LIMITS.map((one) => `${one}::text`).join(",");
      const rows: unknown = answer(
        await project.from("risk_limits").select(columns).eq("trader_id", id).abortSignal(signal).limit(1),
      );
      const row = z.array(LimitRow).parse(rows)[0];
      return row ? Object.fromEntries(LIMITS.map((one) => [one, row[one] ?? ""])) as Limits : NO_LIMITS;
    },
  });
}

async function setLimits(
  project: Project,
  id: string,
  changed: Record<string, string | null>,
): Promise<void> {
  if (Object.keys(changed).length === 0) return;
  try {
    answer(await project.rpc("set_risk_limits", { trader_id: id, limits: changed }));
  } catch (error) {
    throw new PartlySaved(error);
  }
}
