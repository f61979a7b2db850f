// Cross-origin requests. A page proves itself by the token that it sends and no cookie is ever read, so every origin
// may call unless SIGTRAIL_ALLOWED_ORIGINS (comma-separated) says which.

export interface Origins {
  /** null: all of them. */
  allowed: ReadonlySet<string> | null;
}

const REQUEST_HEADERS = "authorization, apikey, content-type, x-client-info, if-none-match, cache-control";
// What browsers hide from a page unless a server names it.
const EXPOSED = "etag, retry-after, x-total-count, content-disposition, x-cache";

/** The origins of the setting's text, every one without it. */
export function readOrigins(setting: string | undefined): Origins {
  const named = (setting ?? "").split(",").map((each) => each.trim().replace(/\/$/, "")).filter(Boolean);
  return { allowed: named.length === 0 || named.includes("*") ? null : new Set(named) };
}

/** Whether a page of this origin may call; programs that are no page send none. */
export function mayCall(origin: string | null, origins: Origins): boolean {
  return origin === null || origins.allowed === null || origins.allowed.has(origin);
}

/** The answer to a browser that asks before it calls. */
export function answerPreflight(origin: string | null, origins: Origins, methods: string): Response {
  if (!mayCall(origin, origins)) return new Response(null, { status: 403, headers: { vary: "Origin" } });
  return withCors(
    new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": "3600",
      },
    }),
    origin,
    origins,
  );
}

/** Adds what lets a page read a response. */
export function withCors(response: Response, origin: string | null, origins: Origins): Response {
  if (origins.allowed === null) {
    response.headers.set("access-control-allow-origin", "*");
  } else {
    // Caches must not give one origin the answer to another.
    response.headers.append("vary", "Origin");
    if (origin === null || !origins.allowed.has(origin)) return response;
    response.headers.set("access-control-allow-origin", origin);
  }
  response.headers.set("access-control-expose-headers", EXPOSED);
  return response;
}
