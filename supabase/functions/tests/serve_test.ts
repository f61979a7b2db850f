// Around every function: origins, methods, and errors in one shape.

import { deepStrictEqual as same } from "node:assert/strict";
import { answerPreflight, mayCall, readOrigins, withCors } from "../_shared/cors.ts";
import { refusalOf } from "../_shared/database.ts";
import { Refusal } from "../_shared/refusal.ts";
import { serve } from "../_shared/serve.ts";

const anyone = readOrigins(undefined);
const ours = readOrigins("https://app.example, https://beta.example/");
const header = (response: Response, name: string) => response.headers.get(name);

Deno.test("without a setting every page may call, with one only those that it names", () => {
  same(mayCall("https://evil.example", anyone), true);
  same(mayCall("https://app.example", ours), true);
  same(mayCall("https://beta.example", ours), true);
  same(mayCall("https://evil.example", ours), false);
  same(mayCall("null", ours), false);
  same(mayCall(null, ours), true);
  same(readOrigins(" , ").allowed, null);
});

Deno.test("a preflight is answered with what may be sent", () => {
  const yes = answerPreflight("https://app.example", ours, "POST, OPTIONS");
  same([yes.status, header(yes, "access-control-allow-origin")], [204, "https://app.example"]);
  same(header(yes, "access-control-allow-methods"), "POST, OPTIONS");
  same(header(yes, "vary"), "Origin");
  const no = answerPreflight("https://evil.example", ours, "POST");
  same([no.status, header(no, "access-control-allow-origin")], [403, null]);
});

Deno.test("answers tell caches that they differ by origin", () => {
  const response = withCors(
    new Response("", { headers: { vary: "Authorization" } }),
    "https://app.example",
    ours,
  );
  same(header(response, "vary"), "Authorization, Origin");
  same(header(withCors(new Response(""), null, anyone), "access-control-allow-origin"), "*");
});

Deno.test("methods, refusals and accidents have one shape", async () => {
  const request = (method: string) => new Request("http://here", { method });
  const fine = serve(["GET"], () => Promise.resolve(new Response("fine")));
  same(await (await fine.fetch(request("GET"))).text(), "fine");
  const wrong = await fine.fetch(request("DELETE"));
  same([wrong.status, header(wrong, "allow"), (await wrong.json()).code], [
    405,
    "GET, OPTIONS",
    "wrong_method",
  ]);

  const refusing = serve(["GET"], () =>
    Promise.reject(
      new Refusal(429, "rate_limited", "too fast", "wait", { headers: { "retry-after": "7" } }),
    ));
  const refused = await refusing.fetch(request("GET"));
  same([refused.status, header(refused, "retry-after")], [429, "7"]);
  same(await refused.json(), { code: "rate_limited", message: "too fast", hint: "wait" });
});

Deno.test("an accident tells its log, and nobody else what it was", async () => {
  const logged: unknown[] = [];
  const log = console.error;
  console.error = (...words) => logged.push(...words);
  try {
    const failing = serve(["GET"], () => Promise.reject(new TypeError("secret at line 7")));
    const response = await failing.fetch(new Request("http://here"));
    same([response.status, (await response.text()).includes("secret")], [500, false]);
    same(String(logged[0]), "TypeError: secret at line 7");
  } finally {
    console.error = log;
  }
});

Deno.test("what the database says keeps its status, its code and when to come back", async () => {
  const answer = (status: number, body: unknown, headers = {}) =>
    refusalOf("f", new Response(null, { status, headers }), JSON.stringify(body)).toResponse();
  const limited = answer(429, { code: "rate_limited", message: "m", hint: "h" }, { "retry-after": "12" });
  same([limited.status, header(limited, "retry-after")], [429, "12"]);
  const expired = answer(401, { code: "PGRST303", message: "JWT expired" });
  same([expired.status, (await expired.json()).message], [401, "JWT expired"]);
});
