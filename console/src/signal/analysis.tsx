import { formatDecimal, Price } from "../kit/money.tsx";
import { Moment } from "../kit/moment.tsx";
import { words } from "../kit/status.ts";
import type { Story } from "./story.ts";
import { exact } from "./why.ts";

const PRICES = new Set(["entry", "stop_loss", "take_profit"]);

/** What the analyst read and said, and what it planned. */
export function Analysis({ story: { signal } }: { story: Story }) {
  const { analysis_result: result, analysis_trade_plan: plan, analysis_confidence: confidence } = signal;
  if (!result && !plan) {
    return <p className="quiet">It was not analysed, or the analysis came to no answer.</p>;
  }
  const reasons = ["reason", "reasoning"].flatMap((name) =>
    typeof result?.[name] === "string" ? [String(result[name])] : []
  );
  const readings = Object.entries(result ?? {}).filter(([name]) =>
    !["reason", "reasoning", "analyst"].includes(name)
  );
  return (
    <>
      {reasons.map((reason) => <blockquote key={reason}>{reason}</blockquote>)}
      <dl className="facts">
        {typeof result?.["analyst"] === "string" && <Fact name="Analyst">{result["analyst"]}</Fact>}
        {confidence && <Fact name="Confidence">{formatDecimal(confidence)}</Fact>}
        {readings.map(([name, value]) => <Fact key={name} name={words(name)}>{plain(value)}</Fact>)}
      </dl>
      {plan && (
        <>
          <h3>Plan</h3>
          <dl className="facts">
            {Object.entries(plan).filter(([, value]) => value !== null).map(([name, value]) => (
              <Fact key={name} name={words(name)}>
                {PRICES.has(name)
                  ? <Price value={exact(value)} />
                  : name === "valid_until"
                  ? <Moment value={String(value)} />
                  : plain(value)}
              </Fact>
            ))}
          </dl>
        </>
      )}
    </>
  );
}

export function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="number">{children}</dd>
    </div>
  );
}

function plain(value: unknown): string {
  const decimal = exact(value);
  if (decimal !== null) return formatDecimal(decimal);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([name, one]) => `${words(name)} ${plain(one)}`).join(", ");
  }
  return typeof value === "string" ? words(value) : JSON.stringify(value);
}
