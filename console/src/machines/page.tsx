/** Whether the platform works: machines of each role, those that serve you, their spools and leases, and alerts. */
import { useQuery } from "@tanstack/react-query";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { formatAge, Moment } from "../kit/moment.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import { Alerts } from "./alerts.tsx";
import { healthQuery, pulseQuery, sharesQuery } from "./queries.ts";
import { holdings } from "./shares.ts";
import "./machines.css";

export function MachinesPage() {
  return (
    <div className="stack">
      <h1>Machines</h1>
      <Pulse />
      <Health />
      <Alerts />
      <Shares />
    </div>
  );
}

function Pulse() {
  const pulse = useQuery(pulseQuery(useProject()));
  if (pulse.isPending) return <Loading what="the platform's pulse" />;
  if (pulse.isError) return <ErrorFace error={pulse.error} retry={() => void pulse.refetch()} />;
  return (
    <section className="panel stack" aria-labelledby="pulse">
      <h2 id="pulse">The platform</h2>
      <ul className="pulse">
        {pulse.data.map((one) => (
          <li key={one.role}>
            <span className="quiet">{one.role}</span>
            <Badge
              tone={one.alive === 0
                ? (one.machines === 0 ? "neutral" : "bad")
                : one.alive < one.machines
                ? "warn"
                : "good"}
            >
              {one.machines === 0 ? "no machine" : `${one.alive} of ${one.machines} alive`}
            </Badge>
            {one.last_heartbeat_at && one.alive === 0 && (
              <small className="quiet">
                last <Moment value={one.last_heartbeat_at} />
              </small>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Health() {
  const health = useQuery(healthQuery(useProject()));
  if (health.isPending) return <Loading what="the machines" />;
  if (health.isError) return <ErrorFace error={health.error} retry={() => void health.refetch()} />;
  // Who oversees the platform sees those too that did nothing for them.
  const all = health.data.some((one) => one.made === 0 && one.accounts === 0);
  return (
    <section className="panel stack" aria-labelledby="health">
      <h2 id="health">{all ? "All machines" : "Machines that serve you"}</h2>
      {health.data.length === 0
        ? (
          <Empty title="No machine has served you yet.">
            Those that make your signals or trade your accounts stand here.
          </Empty>
        )
        : (
          <Scroller label="Machines">
            <table className="grid" data-testid="machines">
              <thead>
                <tr>
                  <th scope="col">Machine</th>
                  <th scope="col">State</th>
                  <th scope="col">Heard</th>
                  <th scope="col">Roles</th>
                  <th scope="col">Region</th>
                  <th scope="col">Version</th>
                  <th scope="col">Running since</th>
                  <th scope="col" className="figure">Waiting in spool</th>
                  <th scope="col" className="figure">Errors</th>
                  <th scope="col" className="figure">Your accounts</th>
                  <th scope="col" className="figure">Your latest signals</th>
                </tr>
              </thead>
              <tbody>
                {health.data.map((one) => (
                  <tr key={one.machine_id}>
                    <th scope="row">{one.machine_id}</th>
                    <td>
                      <Badge tone={one.alive ? "good" : one.status === "stopped" ? "neutral" : "bad"}>
                        {one.alive ? one.status : one.status === "stopped" ? "stopped" : "silent"}
                      </Badge>
                    </td>
                    <td title={one.last_heartbeat_at} className="number">
                      {formatAge(health.dataUpdatedAt - Date.parse(one.last_heartbeat_at))} ago
                    </td>
                    <td>{one.roles.join(", ")}</td>
                    <td>{one.region}</td>
                    <td>{one.version}</td>
                    <td>
                      <Moment value={one.started_at} />
                    </td>
                    <td className="figure number">{one.spool_pending ?? "–"}</td>
                    <td className="figure number">{one.errors ?? "–"}</td>
                    <td className="figure number">{one.accounts}</td>
                    <td className="figure number">{one.made}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroller>
        )}
    </section>
  );
}

/** Shares of symbols, for who oversees the platform. */
function Shares() {
  const shares = useQuery(sharesQuery(useProject()));
  if (shares.isPending || (shares.isSuccess && shares.data.length === 0)) return null;
  if (shares.isError) return <ErrorFace error={shares.error} retry={() => void shares.refetch()} />;
  return (
    <section className="panel stack" aria-labelledby="shares">
      <h2 id="shares">Shares of symbols</h2>
      <Scroller label="Shares by machine">
        <table className="grid">
          <thead>
            <tr>
              <th scope="col">Venue</th>
              <th scope="col">Market</th>
              <th scope="col">Held by</th>
              <th scope="col" className="figure">Shares</th>
              <th scope="col">Which</th>
              <th scope="col">Evaluated to</th>
            </tr>
          </thead>
          <tbody>
            {holdings(shares.data, shares.dataUpdatedAt).map((one) => (
              <tr key={`${one.venue} ${one.market} ${one.machine}`}>
                <td>{one.venue}</td>
                <td>{one.market}</td>
                <th scope="row">{one.machine ?? <Badge tone="bad">nobody</Badge>}</th>
                <td className="figure number">{one.count}</td>
                <td className="number">{one.shares}</td>
                <td>
                  <Moment value={one.evaluatedTo === null ? null : new Date(one.evaluatedTo).toISOString()} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </section>
  );
}
