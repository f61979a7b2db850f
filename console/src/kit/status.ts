/** How the states of the lifecycle are told apart. */
import type { Database } from "../database.types.ts";
import type { Tone } from "./badge.tsx";

export type SignalStatus = Database["public"]["Enums"]["signal_status"];

export const STATUS_TONES: Record<SignalStatus, Tone> = {
  new: "info",
  analyzing: "info",
  rejected: "neutral",
  monitoring: "info",
  ready: "warn",
  in_position: "good",
  closed: "neutral",
  expired: "neutral",
};

/** `in_position` as people say it. */
export function words(code: string): string {
  return code.replaceAll("_", " ");
}
