/** Where signals are traded: what each account may, who trades it, how it stands against its limits, and its trail. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useLive } from "../live/live.tsx";
import { useProject } from "../session/session.tsx";
import { type Account, ACCOUNTS, accountsQuery } from "./account.ts";
import { AccountDetail } from "./detail.tsx";
import { STATUS_TONES } from "./tones.ts";
import "./accounts.css";

const route = getRouteApi("/accounts");

export function AccountsPage() {
  const project = useProject();
  const queries = useQueryClient();
  const accounts = useQuery(accountsQuery(project));
  const { account: wanted } = route.useSearch();
  // What is under way is enough: a burst of fills must not ask a hundred times.
  const again = () => void queries.invalidateQueries({ queryKey: [ACCOUNTS] }, { cancelRefetch: false });
  useLive("trading", { onMessage: again, onResync: again });

  if (accounts.isPending) return <Loading what="your accounts" />;
  if (accounts.isError) return <ErrorFace error={accounts.error} retry={() => void accounts.refetch()} />;
  if (accounts.data.length === 0) {
    return (
      <>
        <h1>Accounts</h1>
        <Empty title="You have no account yet.">
          <p>
            A paper account is made with your first trader; one at a venue with{" "}
            <code>sigtrail accounts add</code>, so that its key never passes through a browser.
          </p>
        </Empty>
      </>
    );
  }
  const chosen = accounts.data.find((one) => one.id === wanted) ?? accounts.data[0]!;
  return (
    <div className="stack">
      <h1>Accounts</h1>
      <Scroller label="Your accounts">
        <table className="grid">
          <thead>
            <tr>
              <th scope="col">Account</th>
              <th scope="col">Venue</th>
              <th scope="col">State</th>
              <th scope="col">May</th>
              <th scope="col">Traded by</th>
            </tr>
          </thead>
          <tbody>
            {accounts.data.map((one) => <Row key={one.id} account={one} open={one.id === chosen.id} />)}
          </tbody>
        </table>
      </Scroller>
      {wanted && wanted !== chosen.id && (
        <p className="notice" role="status">The account in this address is not one of yours.</p>
      )}
      <AccountDetail key={chosen.id} account={chosen} />
    </div>
  );
}

function Row({ account, open }: { account: Account; open: boolean }) {
  return (
    <tr aria-current={open || undefined}>
      <th scope="row">
        <Link to="/accounts" search={{ account: account.id }}>{account.name}</Link>
      </th>
      <td>{account.venue} {account.market}{account.sandbox && account.venue !== "paper" && " (sandbox)"}</td>
      <td>
        <Badge tone={STATUS_TONES[account.status]}>{account.status}</Badge>
      </td>
      <td>{account.permissions}</td>
      <td>{isHeld(account) ? account.lease_machine : <span className="quiet">nobody</span>}</td>
    </tr>
  );
}

/** Whether a machine holds it now. */
export function isHeld(account: Account, now = Date.now()): boolean {
  return account.leased_until !== null && Date.parse(account.leased_until) >= now;
}
