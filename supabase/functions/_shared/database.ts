// The project's database, as the user who is calling: each request carries their own token, so that row level security
// and quotas hold. Nothing here has rights of its own.

import { Refusal } from "./refusal.ts";

const ANSWER_WITHIN_MS = 30_000;

export interface Database {
  /** Calls a function; the text of its JSON answer. Throws a Refusal when the database says no. */
  call(name: string, parameters: unknown, signal?: AbortSignal): Promise<string>;
}

interface Said {
  code?: string;
  message?: string;
  hint?: string | null;
}

/** The database as whoever sent this request. Throws a Refusal (401) for a request without a token. */
export function databaseOf(request: Request): Database {
  const authorization = request.headers.get("authorization") ?? "";
  if (!/^bearer \S+$/i.test(authorization)) throw notSignedIn("the request carries no token");
  const headers = { authorization, apikey: publishableKey(), "content-type": "application/json" };
  const url = `${Deno.env.get("SUPABASE_URL")}/rest/v1/rpc/`;
  return {
    async call(name, parameters, signal) {
      const patience = AbortSignal.timeout(ANSWER_WITHIN_MS);
      let response: Response;
      let text: string;
      try {
        response = await fetch(url + name, {
          method: "POST",
          headers,
          body: JSON.stringify(parameters),
          signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
        });
        text = await response.text();
      } catch (error) {
        if (signal?.aborted) throw error;
        console.error(`${name}:`, error);
        throw unavailable();
      }
      if (response.ok) return text;
      throw refusalOf(name, response, text);
    },
  };
}

/** What an error of the REST interface means to whoever called the function. */
export function refusalOf(name: string, response: Response, text: string): Refusal {
  const said = read(text);
  if (response.status === 401) return notSignedIn(said.message ?? "the token is not valid");
  // 57014: the database gave up on a statement that took too long for its role.
  if (response.status >= 500) {
    console.error(`${name}: ${response.status} ${text.slice(0, 1000)}`);
    if (said.code === "57014") {
      return new Refusal(504, "too_slow", "the database took too long", "ask for a shorter range of time");
    }
    return unavailable();
  }
  const retryAfter = response.headers.get("retry-after");
  return new Refusal(
    response.status,
    said.code ?? "refused",
    said.message ?? "the database refused this",
    said.hint,
    { headers: retryAfter === null ? {} : { "retry-after": retryAfter } },
  );
}

function read(text: string): Said {
  try {
    const said = JSON.parse(text);
    return typeof said === "object" && said !== null ? said : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function notSignedIn(message: string): Refusal {
  return new Refusal(401, "not_signed_in", message, "send the access token of a user who signed in", {
    headers: { "www-authenticate": "Bearer" },
  });
}

function unavailable(): Refusal {
  return new Refusal(503, "unavailable", "the database does not answer", "try again in a moment", {
    headers: { "retry-after": "2" },
  });
}

function publishableKey(): string {
  const keys = JSON.parse(Deno.env.get("SUPABASE_PUBLISHABLE_KEYS") ?? "{}");
  return keys.default ?? Deno.env.get("SUPABASE_ANON_KEY") ?? "";
}
