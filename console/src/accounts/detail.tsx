/** One account: its key's state, its risk state and limits, its wallet, its trail. */
import { useQuery } from "@tanstack/react-query";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { Figure, Figures } from "../kit/figures.tsx";
import { Moment } from "../kit/moment.tsx";
import { Money } from "../kit/money.tsx";
import { useProject } from "../session/session.tsx";
import { type Account, riskQuery } from "./account.ts";
import { LimitsPanel } from "./limits.tsx";
import { StatePanel } from "./state.tsx";
import { Trail } from "./trail.tsx";
import { Wallet } from "./wallet.tsx";

export function AccountDetail({ account }: { account: Account }) {
  const project = useProject();
  const risk = useQuery(riskQuery(project, account.id));
  return (
    <section className="stack" aria-labelledby="account-name">
      <h2 id="account-name">{account.name}</h2>
      <div className="panels">
        <StatePanel account={account} />
        <KeyPanel account={account} />
      </div>
      {risk.isPending
        ? <Loading what="its limits" />
        : risk.isError
        ? <ErrorFace error={risk.error} retry={() => void risk.refetch()} />
        : (
          <>
            {risk.data.use && (
              <div className="panel">
                <Figures>
                  <Figure name="Won and lost since it is measured">
                    <Money value={risk.data.use.total} signed />
                  </Figure>
                  <Figure name="Open positions stand to lose">
                    <Money value={risk.data.use.open_loss} />
                  </Figure>
                  <Figure name="Below its best">
                    <Money value={risk.data.use.drawdown} />
                  </Figure>
                  <Figure name="Held or ordered">
                    <Money value={risk.data.use.notional} />
                  </Figure>
                </Figures>
              </div>
            )}
            <LimitsPanel account={account} use={risk.data.use} limits={risk.data.limits} />
          </>
        )}
      <Wallet account={account} />
      <Trail account={account} />
    </section>
  );
}

function KeyPanel({ account }: { account: Account }) {
  const { key_info: info } = account;
  return (
    <section className="panel stack" aria-labelledby="account-key">
      <h3 id="account-key">Key</h3>
      {account.venue === "paper"
        ? (
          <p className="quiet">
            A paper account has no key: its money is imagined, its rules and fees are real.
          </p>
        )
        : account.key_version === null
        ? (
          <p>
            <Badge tone="bad">no key</Badge> Nobody can trade it: <code>sigtrail accounts add</code> or{" "}
            <code>rotate</code> stores one.
          </p>
        )
        : (
          <Figures>
            <Figure name="Sealed with">master key version {account.key_version}</Figure>
            <Figure name="Keys so far">{account.key_number + 1}</Figure>
            <Figure name="May trade">{said(info.may_trade)}</Figure>
            <Figure name="May withdraw">
              {info.may_withdraw ? <Badge tone="bad">yes: replace it</Badge> : said(info.may_withdraw)}
            </Figure>
            {info.expires_at && (
              <Figure name="Ends">
                <Moment value={info.expires_at} />
              </Figure>
            )}
          </Figures>
        )}
      <Figures>
        <Figure name="Permission">{account.permissions}</Figure>
        <Figure name="Money">
          {account.venue === "paper" ? "imagined" : account.sandbox ? "sandbox" : <b>real</b>}
        </Figure>
        <Figure name="Traded by">{account.lease_machine ?? "nobody"}</Figure>
        <Figure name="Held until">
          <Moment value={account.leased_until} />
        </Figure>
      </Figures>
    </section>
  );
}

function said(value: boolean | undefined): string {
  return value === undefined ? "not asked yet" : value ? "yes" : "no";
}
