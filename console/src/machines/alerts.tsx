/** What is the matter, and who looks after it. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge, type Tone } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { Confirm } from "../kit/confirm.tsx";
import { TextField } from "../kit/field.tsx";
import { Moment } from "../kit/moment.tsx";
import { useProject } from "../session/session.tsx";
import { acknowledge, type Alert, alertsQuery, MACHINES } from "./queries.ts";

const TONES: Record<Alert["severity"], Tone> = { info: "info", warning: "warn", critical: "bad" };

export function Alerts() {
  const [over, setOver] = useState(false);
  const alerts = useQuery(alertsQuery(useProject(), over));
  const [chosen, setChosen] = useState<Alert | null>(null);
  return (
    <section className="panel stack" aria-labelledby="alerts">
      <h2 id="alerts">{over ? "Alerts that are over" : "Open alerts"}</h2>
      {alerts.isPending
        ? <Loading what="alerts" />
        : alerts.isError
        ? <ErrorFace error={alerts.error} retry={() => void alerts.refetch()} />
        : alerts.data.length === 0
        ? <Empty title={over ? "Nothing was the matter lately." : "Nothing is the matter."} />
        : (
          <ul className="alerts">
            {alerts.data.map((one) => (
              <li key={one.id}>
                <div className="row">
                  <Badge tone={TONES[one.severity]}>{one.severity}</Badge>
                  <b>{one.title}</b>
                  {one.user_id === null && <Badge>platform</Badge>}
                </div>
                <div className="row quiet">
                  <span>
                    since <Moment value={one.raised_at} />
                  </span>
                  {one.times > 1 && (
                    <span>
                      {one.times} times, last <Moment value={one.last_at} />
                    </span>
                  )}
                  {one.resolved_at && (
                    <span>
                      over since <Moment value={one.resolved_at} />
                    </span>
                  )}
                  {one.acknowledged_at
                    ? (
                      <span>
                        seen by {one.acknowledged_by} <Moment value={one.acknowledged_at} />
                        {one.note && `: ${one.note}`}
                      </span>
                    )
                    : !over && <Button onPress={() => setChosen(one)}>Acknowledge</Button>}
                </div>
              </li>
            ))}
          </ul>
        )}
      <div className="row">
        <Button kind="plain" onPress={() => setOver(!over)}>
          {over ? "Show open ones" : "Show those that are over"}
        </Button>
      </div>
      {chosen && <Acknowledgement alert={chosen} onClose={() => setChosen(null)} />}
    </section>
  );
}

function Acknowledgement({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const project = useProject();
  const queries = useQueryClient();
  const [note, setNote] = useState("");
  return (
    <Confirm
      title="Look after this?"
      action="Acknowledge"
      onClose={onClose}
      onConfirm={async () => {
        await acknowledge(project, alert.id, note.trim());
        await queries.invalidateQueries({ queryKey: [MACHINES, "alerts"] });
      }}
    >
      <div className="stack">
        <p>{alert.title}. Everybody who sees it will see that you do; it stays open until it is over.</p>
        <TextField label="What is being done" value={note} onChange={setNote} maxLength={500} />
      </div>
    </Confirm>
  );
}
