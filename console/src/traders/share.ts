import Decimal from "decimal.js";
import { formatDecimal } from "../kit/money.tsx";

/** A share of 0 to 1 as percent. */
export function formatShare(share: string | null | undefined): string {
  if (share === null || share === undefined) return "–";
  return `${formatDecimal(new Decimal(share).mul(100).toFixed(), 1)} %`;
}
