/** What the venue says is in the wallet, and where our own record differs from it. */
import { useQuery } from "@tanstack/react-query";
import Decimal from "decimal.js";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { Figure, Figures } from "../kit/figures.tsx";
import { Moment } from "../kit/moment.tsx";
import { Money } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import { type Account, walletQuery } from "./account.ts";

export function Wallet({ account }: { account: Account }) {
  const wallet = useQuery(walletQuery(useProject(), account.id));
  if (wallet.isPending) return <Loading what="its wallet" />;
  if (wallet.isError) return <ErrorFace error={wallet.error} retry={() => void wallet.refetch()} />;
  const days = wallet.data;
  const newest = new Map(days.toReversed().map((one) => [one.currency, one]));
  return (
    <section className="panel stack" aria-labelledby="account-wallet">
      <h3 id="account-wallet">Wallet and record</h3>
      {days.length === 0
        ? (
          <p className="quiet">
            {account.venue === "paper"
              ? `A paper account's wallet follows from its record; it started with ${starting(account)}.`
              : "Its wallet was not looked at yet: the machine that trades it does so."}
          </p>
        )
        : (
          <>
            <Figures>
              {[...newest.values()].map((one) => (
                <Figure key={one.currency} name={`In the wallet, ${one.currency}`}>
                  <Money value={one.venue_to} />
                </Figure>
              ))}
              <Figure name="Looked at">
                <Moment value={days[0]!.looked_at} />
              </Figure>
            </Figures>
            <Scroller label="Wallet and record day by day">
              <table className="grid">
                <thead>
                  <tr>
                    <th scope="col">UTC day</th>
                    <th scope="col">Currency</th>
                    <th scope="col" className="figure">Wallet changed</th>
                    <th scope="col" className="figure">Record says</th>
                    <th scope="col" className="figure">Difference</th>
                    <th scope="col">Since</th>
                  </tr>
                </thead>
                <tbody>
                  {days.map((one) => (
                    <tr key={`${one.day} ${one.currency}`}>
                      <th scope="row" className="number">{one.day}</th>
                      <td>{one.currency}</td>
                      <td className="figure">
                        <Money value={one.venue_change} signed places={8} />
                      </td>
                      <td className="figure">
                        <Money value={one.recorded_change} signed places={8} />
                      </td>
                      <td className="figure">
                        {new Decimal(one.difference ?? "0").isZero() ? <Badge tone="good">none</Badge> : (
                          <b>
                            <Money value={one.difference} signed places={8} />
                          </b>
                        )}
                      </td>
                      <td>
                        <Moment value={one.since} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroller>
          </>
        )}
    </section>
  );
}

function starting(account: Account): string {
  const told = account.settings["starting"];
  if (typeof told !== "object" || told === null || Array.isArray(told)) return "10 000 USDT";
  return Object.entries(told).map(([currency, amount]) => `${String(amount)} ${currency}`).join(", ");
}
