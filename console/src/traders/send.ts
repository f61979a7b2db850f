/** Signals that are made in this browser, on their way in. */
import { FunctionsFetchError, FunctionsHttpError } from "@supabase/supabase-js";
import { z } from "zod";
import { AnsweredError } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { signalId } from "./identity.ts";

export interface ManualRow {
  readonly trader_id: string;
  readonly symbol: string;
  readonly interval: string;
  /** Unix milliseconds. */
  readonly triggered_at: number;
  readonly side: "long" | "short";
  /** As it was typed, so that every digit arrives. */
  readonly price: string;
  readonly tags: readonly string[];
}

export interface Sent {
  /** Of the signal, whether it was recorded or not. */
  readonly id: string;
  readonly inserted: number;
  /** Why it was not recorded. */
  readonly rejected: string | null;
}

const Answer = z.object({
  inserted: z.number(),
  rejected: z.array(z.object({ code: z.string(), message: z.string() })),
});
const Refused = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullish(),
});

/** Sends one signal through the edge function. Raises AnsweredError with what it refused the whole request with. */
export async function sendSignal(project: Project, requestId: string, row: ManualRow): Promise<Sent> {
  const { data, error } = await project.functions.invoke<unknown>("ingest-signals", {
    body: { signals: [row], request_id: requestId },
  });
  if (error instanceof FunctionsHttpError) throw await read(error.context as Response);
  if (error instanceof FunctionsFetchError) throw new AnsweredError({ message: error.message }, 0);
  if (error) throw error;
  const { inserted, rejected } = Answer.parse(data);
  const id = await signalId(row.trader_id, row.symbol, row.interval, row.triggered_at);
  return { id, inserted, rejected: rejected[0]?.message ?? null };
}

async function read(response: Response): Promise<AnsweredError> {
  const text = await response.text();
  const refused = Refused.safeParse(parse(text));
  return refused.success
    ? new AnsweredError({ ...refused.data, hint: refused.data.hint ?? null }, response.status)
    : new AnsweredError({ message: `the function answers ${response.status}` }, response.status);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A gateway before the function speaks HTML.
    return null;
  }
}
