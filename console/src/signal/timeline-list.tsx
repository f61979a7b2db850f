import { Moment } from "../kit/moment.tsx";
import type { Step } from "./timeline.ts";

/** The story as a list from the candle on; what went wrong stands out by colour and by word. */
export function TimelineList({ steps }: { steps: readonly Step[] }) {
  return (
    <ol className="timeline" aria-label="Timeline">
      {steps.map((step) => (
        <li key={step.key} data-kind={step.kind} data-type={step.type} data-tone={step.tone}>
          <Moment value={step.at} />
          <div>
            <strong>{step.title}</strong>
            {step.tone === "bad" && <span className="wrong went-wrong">went wrong</span>}
            {step.detail && <div className="detail number">{step.detail}</div>}
          </div>
          {step.who && <span className="quiet who-did">{step.who}</span>}
        </li>
      ))}
    </ol>
  );
}
