import { z } from "zod";
import { formatDecimal } from "../kit/money.tsx";

const Conditions = z.array(
  z.union([
    z.string().transform((text) => ({ text, values: {} as Record<string, unknown> })),
    z.object({ text: z.string(), values: z.record(z.string(), z.unknown()).default({}) }),
  ]),
).catch([]);

/** The conditions that held when the signal fired, with what their indicators read. */
export function MatchedConditions({ conditions }: { conditions: unknown }) {
  const read = Conditions.parse(conditions);
  if (read.length === 0) return <p className="quiet">Whoever recorded this signal named no conditions.</p>;
  return (
    <table className="grid">
      <thead>
        <tr>
          <th scope="col">Condition</th>
          <th scope="col">It read</th>
        </tr>
      </thead>
      <tbody>
        {read.map(({ text, values }, place) => (
          <tr key={place}>
            <td>
              <code>{text}</code>
            </td>
            <td className="number">
              {Object.entries(values).map(([name, value]) => (
                <div key={name}>{name} = {typeof value === "number" ? reading(value) : String(value)}</div>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** An indicator is a float: what is beyond its fourth digit says nothing. */
function reading(value: number): string {
  return Number.isInteger(value) ? formatDecimal(String(value)) : formatDecimal(value.toFixed(4));
}
