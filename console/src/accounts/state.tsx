/** The risk state of an account, and how a person changes it: with a reason, which stays in the trail. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { Confirm } from "../kit/confirm.tsx";
import { TextField } from "../kit/field.tsx";
import { useProject } from "../session/session.tsx";
import { type Account, ACCOUNTS, type AccountStatus, setStatus, STATUS_MEANS } from "./account.ts";
import { STATUS_TONES } from "./tones.ts";

const ACTIONS: Record<
  AccountStatus,
  { readonly word: string; readonly title: string; readonly tells: string }
> = {
  active: {
    word: "Let it trade",
    title: "Let this account trade again?",
    tells:
      "Its traders may open positions at once. What it lost until now no longer counts against its limits.",
  },
  reducing: {
    word: "Only reduce",
    title: "Only reduce from now on?",
    tells: "Nothing new is opened. Positions that are open run to their stop loss or take profit.",
  },
  halted: {
    word: "Halt",
    title: "Halt this account?",
    tells: "Nothing new is opened, and every open position is closed at the market's price now.",
  },
};
const STATES = Object.keys(ACTIONS) as AccountStatus[];

export function StatePanel({ account }: { account: Account }) {
  const [wanted, setWanted] = useState<AccountStatus | null>(null);
  return (
    <section className="panel stack" aria-labelledby="account-state">
      <h3 id="account-state">Risk state</h3>
      <p>
        <Badge tone={STATUS_TONES[account.status]}>{account.status}</Badge> {STATUS_MEANS[account.status]}
      </p>
      <div className="row">
        {STATES.filter((one) => one !== account.status).map((one) => (
          <Button
            key={one}
            {...(one === "halted" ? { kind: "danger" } : {})}
            onPress={() => setWanted(one)}
          >
            {ACTIONS[one].word}
          </Button>
        ))}
      </div>
      {wanted && <Decision account={account} wanted={wanted} onClose={() => setWanted(null)} />}
    </section>
  );
}

function Decision(
  { account, wanted, onClose }: { account: Account; wanted: AccountStatus; onClose: () => void },
) {
  const project = useProject();
  const queries = useQueryClient();
  const [why, setWhy] = useState("");
  const { title, tells, word } = ACTIONS[wanted];

  async function decide() {
    if (why.trim().length < 3) throw new Error("say why, in three letters at least: it stays in the trail");
    await setStatus(project, account.id, wanted, why.trim());
    await queries.invalidateQueries({ queryKey: [ACCOUNTS] });
  }

  return (
    <Confirm
      title={title}
      action={word}
      danger={wanted === "halted"}
      onConfirm={decide}
      onClose={onClose}
    >
      <div className="stack">
        <p>{account.name}: {tells}</p>
        <TextField label="Why" value={why} onChange={setWhy} maxLength={500} isRequired />
      </div>
    </Confirm>
  );
}
