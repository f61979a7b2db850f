// What every function does around its own work: methods, cross-origin requests, and errors in one shape.

import { answerPreflight, mayCall, readOrigins, withCors } from "./cors.ts";
import { Refusal } from "./refusal.ts";

/** A module's default export that answers these methods (besides OPTIONS) with `handle`. */
export function serve(
  methods: readonly string[],
  handle: (request: Request) => Promise<Response>,
): { fetch(request: Request): Promise<Response> } {
  const origins = readOrigins(Deno.env.get("SIGTRAIL_ALLOWED_ORIGINS"));
  const allow = [...methods, "OPTIONS"].join(", ");

  async function answer(request: Request, origin: string | null): Promise<Response> {
    try {
      if (!mayCall(origin, origins)) {
        throw new Refusal(403, "origin_not_allowed", `pages of ${origin} may not call this project`);
      }
      if (!methods.includes(request.method)) {
        throw new Refusal(405, "wrong_method", `use ${methods.join(" or ")}, not ${request.method}`, null, {
          headers: { allow },
        });
      }
      return await handle(request);
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      // What went wrong inside is for the log, not for whoever called.
      console.error(error);
      return new Refusal(500, "internal_error", "the function failed", "try again; the logs say why")
        .toResponse();
    }
  }

  return {
    async fetch(request) {
      const origin = request.headers.get("origin");
      if (request.method === "OPTIONS") return answerPreflight(origin, origins, allow);
      return withCors(await answer(request, origin), origin, origins);
    },
  };
}
