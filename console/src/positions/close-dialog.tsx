/** Asks before anything is closed by hand, and shows at once what was asked for; a refusal takes that back. */
import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer } from "../app/failure.ts";
import { Confirm } from "../kit/confirm.tsx";
import { TextField } from "../kit/field.tsx";
import { countRestingOrders } from "../orders/list.ts";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";
import { type Closing, type Plan, planClosing } from "./closing.ts";
import type { Account, Holding } from "./holdings.ts";

export const OPEN_POSITIONS = ["positions", "open"] as const;

interface Props {
  readonly closing: Closing;
  readonly holdings: readonly Holding[];
  readonly accounts: readonly Account[];
  readonly onClose: () => void;
}

export function CloseDialog({ closing, holdings, accounts, onClose }: Props) {
  const project = useProject();
  const queries = useQueryClient();
  const [why, setWhy] = useState("closed by hand");
  // What is asked about stays what was read, however the market moves meanwhile.
  const [plan] = useState(() => planClosing(closing, holdings, accounts));
  return (
    <Confirm
      title={plan.title}
      action={plan.action}
      danger
      onConfirm={() => closeOptimistically(queries, plan, () => send(project, closing, why))}
      onClose={onClose}
    >
      <div className="stack">
        {plan.accounts.map((account) => (
          <AccountPart key={account.id} account={account} stays={closing.kind === "position"} />
        ))}
        {plan.accounts.length === 0 && <p>You have no accounts: nothing will happen.</p>}
        <TextField
          label="Why (it stays in the account's trail)"
          value={why}
          onChange={setWhy}
          maxLength={500}
        />
      </div>
    </Confirm>
  );
}

function AccountPart({ account, stays }: { account: Plan["accounts"][number]; stays: boolean }) {
  const project = useProject();
  const resting = useQuery({
    queryKey: ["orders", "resting", account.id],
    queryFn: () => countRestingOrders(project, account.id),
    enabled: account.halts,
  });
  return (
    <section>
      <strong>{account.where}</strong>
      <ul>
        {account.positions.map((one) => <li key={one.id}>{one.what}, at the market</li>)}
        {account.positions.length === 0 && <li>no position is open</li>}
        {stays && <li>its stop loss and take profit stay until the exit needs what they bind</li>}
        {account.halts && (
          <>
            <li>
              {resting.data === undefined ? "every resting order" : `${resting.data} resting orders`}{" "}
              are cancelled or filled on the way
            </li>
            <li>the account is halted: it opens nothing new until a person lifts that</li>
          </>
        )}
      </ul>
    </section>
  );
}

async function send(project: Project, closing: Closing, why: string): Promise<unknown> {
  switch (closing.kind) {
    case "position":
      return answer(await project.rpc("close_position", { position_id: closing.position.id, why }));
    case "account":
      return answer(await project.rpc("close_account", { account_id: closing.account.id, why }));
    case "everything":
      return answer(await project.rpc("close_everything", { why }));
  }
}

/** Shows positions as being closed while the database is asked, and as they were when it refuses. */
export async function closeOptimistically(
  queries: QueryClient,
  plan: Pick<Plan, "positions">,
  ask: () => Promise<unknown>,
): Promise<void> {
  const before = new Map(
    queries.getQueryData<Holding[]>(OPEN_POSITIONS)?.map((one) => [one.id, one.exit_reason]),
  );
  const set = (reason: (one: Holding) => string | null) =>
    queries.setQueryData<Holding[]>(
      OPEN_POSITIONS,
      (held) =>
        held?.map((one) => plan.positions.includes(one.id) ? { ...one, exit_reason: reason(one) } : one),
    );
  // An answer that is on its way would show them open again.
  await queries.cancelQueries({ queryKey: OPEN_POSITIONS });
  set((one) => one.exit_reason ?? "manual_close");
  try {
    await ask();
  } catch (error) {
    set((one) => before.get(one.id) ?? null);
    throw error;
  } finally {
    void queries.invalidateQueries({ queryKey: ["positions"] });
    void queries.invalidateQueries({ queryKey: ["orders"] });
    void queries.invalidateQueries({ queryKey: ["accounts"] });
  }
}
