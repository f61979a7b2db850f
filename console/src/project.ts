/** Which Supabase project this console is of: `config.json` beside the page says it, so that one build serves any. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { z } from "zod";
import type { Database } from "./database.types.ts";

const Config = z.object({
  supabaseUrl: z.url(),
  publishableKey: z.string().min(1).refine((key) => !key.startsWith("sb_secret_"), {
    error: "is a secret key, which must never reach a browser: put the publishable key here",
  }),
});

export type Project = SupabaseClient<Database>;

/** Reads `config.json` and answers a client of its project. Raises an Error that says what is wrong with the file. */
export async function openProject(address = "./config.json"): Promise<Project> {
  const answer = await fetch(address, { cache: "no-cache" });
  if (!answer.ok) {
    throw new Error(
      `config.json could not be read (status ${answer.status}): put the project's supabaseUrl and publishableKey into a` +
        " file of that name beside index.html.",
    );
  }
  let read: unknown;
  try {
    read = await answer.json();
  } catch {
    throw new Error(`config.json is no JSON: it has to be {"supabaseUrl": "…", "publishableKey": "…"}.`);
  }
  const config = Config.safeParse(read);
  if (!config.success) {
    const wrong = config.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
    throw new Error(`config.json is wrong. ${wrong.join("; ")}.`);
  }
  return createClient<Database>(config.data.supabaseUrl, config.data.publishableKey, {
    // Every watched user gets at most a few messages a second; the client's own limit is for senders.
    realtime: { params: { eventsPerSecond: 20 } },
  });
}
