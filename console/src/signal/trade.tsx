/** What a signal became at the venue: its position, orders and fills, and what all of it was worth. */
import Decimal from "decimal.js";
import { Badge } from "../kit/badge.tsx";
import { formatDecimal, Money, Price } from "../kit/money.tsx";
import { Moment } from "../kit/moment.tsx";
import { words } from "../kit/status.ts";
import { orderTone } from "../orders/state.ts";
import { Fact } from "./analysis.tsx";
import type { Story, Worth } from "./story.ts";
import { quoteOf, span } from "./why.ts";

export function PositionFacts({ story, worth }: { story: Story; worth: Worth }) {
  const position = story.positions.at(-1);
  if (!position) return null;
  const quote = quoteOf(story.signal.normalised_symbol);
  const percent = (fraction: string) => `${formatDecimal(new Decimal(fraction).times(100).toFixed(), 3)} %`;
  return (
    <section className="panel" aria-labelledby="position">
      <h2 id="position">
        Position <Badge tone={position.status === "open" ? "good" : "neutral"}>{position.status}</Badge>
      </h2>
      <dl className="facts">
        <Fact name={position.status === "open" ? "Realized so far" : "Profit and loss"}>
          <Money value={position.realized_pnl} signed unit={quote} />
        </Fact>
        <Fact name="Fees">
          <Money value={position.fees} unit={quote} places={4} />
        </Fact>
        <Fact name={position.side === "long" ? "Bought" : "Sold"}>
          {formatDecimal(position.entry_amount)} at <Price value={position.entry_average} />
        </Fact>
        <Fact name="Held">{formatDecimal(position.amount)}</Fact>
        <Fact name="Closed at">
          <Price value={position.exit_average} />
        </Fact>
        <Fact name="Stop loss">
          <Price value={position.stop_loss} />
          {position.stop_loss !== position.initial_stop_loss && (
            <span className="quiet">, first {formatDecimal(position.initial_stop_loss)}</span>
          )}
        </Fact>
        <Fact name="Take profit">
          <Price value={position.take_profit} />
        </Fact>
        {position.closed_at && <Fact name="Lasted">{span(position.opened_at, position.closed_at)}</Fact>}
        {worth?.return_fraction && <Fact name="Return">{percent(worth.return_fraction)}</Fact>}
        {worth?.r_multiple && <Fact name="R multiple">{formatDecimal(worth.r_multiple, 2)}</Fact>}
        {worth?.slippage_fraction && (
          <Fact name="Slippage of the entry">{percent(worth.slippage_fraction)}</Fact>
        )}
      </dl>
    </section>
  );
}

export function OrdersTable({ story }: { story: Story }) {
  if (story.orders.length === 0) return <p className="quiet">No order was given.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Orders">
      <table className="grid">
        <thead>
          <tr>
            {["Leg", "Status", "Order", "Amount", "Price", "Filled", "Average", "Fees", "Changed"].map((
              name,
            ) => <th key={name} scope="col">{name}</th>)}
          </tr>
        </thead>
        <tbody>
          {story.orders.map((order) => (
            <tr key={order.id}>
              <td>{words(order.leg)}{order.attempt > 1 && ` (${order.attempt})`}</td>
              <td>
                <Badge tone={orderTone(order.status)}>{words(order.status)}</Badge>
                {order.message && <div className="wrong">{order.message}</div>}
              </td>
              <td>{order.side} {words(order.kind)}</td>
              <td className="number">{formatDecimal(order.amount)}</td>
              <td>
                <Price value={order.price ?? order.trigger_price} />
              </td>
              <td className="number">{formatDecimal(order.filled)}</td>
              <td>
                <Price value={order.average} />
              </td>
              <td>
                <Money value={order.fees} places={4} />
              </td>
              <td>
                <Moment value={order.status_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function FillsTable({ story }: { story: Story }) {
  if (story.executions.length === 0) return <p className="quiet">Nothing was filled.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Fills">
      <table className="grid">
        <thead>
          <tr>
            {["Time", "Leg", "Side", "Amount", "Price", "Fee", "Trade at the venue"].map((name) => (
              <th key={name} scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {story.executions.map((fill) => (
            <tr key={fill.id}>
              <td>
                <Moment value={fill.executed_at} />
              </td>
              <td>{words(fill.leg)}</td>
              <td>{fill.side}</td>
              <td className="number">{formatDecimal(fill.amount)}</td>
              <td>
                <Price value={fill.price} />
              </td>
              <td className="number">
                {formatDecimal(fill.fee_cost)} {fill.fee_currency}
                {fill.fee_quote === null && <span className="wrong">(its worth is not known yet)</span>}
              </td>
              <td className="number">{fill.venue_trade_id}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
