// What a web page does with the unmodified supabase-js. Prints one JSON object: what each step came to.

import { createClient } from "@supabase/supabase-js";

const [url, publishableKey, secretKey, email, password] = Deno.args;
const options = { auth: { persistSession: false, autoRefreshToken: false } };
const client = createClient(url, publishableKey, options);
const service = createClient(url, secretKey, options);
const results: Record<string, unknown> = {};

// deno-lint-ignore no-explicit-any
type Answer = { data: any; error: any };

function codeOf({ error }: Answer): string {
  return error?.code ?? error?.name ?? "none";
}

async function untilTrue(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}

results.anonymous = codeOf(await client.from("notes").select());

const signedUp = await client.auth.signUp({ email, password, options: { data: { name: "Ada" } } });
const user = signedUp.data.user!;
results.signUp = [user.email, user.user_metadata.name];
results.weak = codeOf(await client.auth.signUp({ email: `new-${email}`, password: "short" }));
results.taken = codeOf(await client.auth.signUp({ email, password }));

const signedIn = await client.auth.signInWithPassword({ email, password });
results.signIn = signedIn.data.user?.id === user.id;
results.wrong = codeOf(
  await createClient(url, publishableKey, options).auth.signInWithPassword({ email, password: "wrong password" }),
);

results.profile = (await client.from("profiles").select("email").single()).data;
const inserted = await client.from("notes").insert([{ body: "one" }, { body: "two" }]).select("body, owner");
results.insert = inserted.data?.map((row) => [row.body, row.owner === user.id]);
results.count = (await client.from("notes").select("*", { count: "exact", head: true })).count;
results.rpc = (await client.rpc("count_notes", { containing: "tw" })).data;
results.refusedByCheck = codeOf(await client.from("notes").insert({ body: "" }));

const heard: Record<string, unknown[]> = { note: [], own: [] };
let state = "";
await client.realtime.setAuth();
const channel = client
  .channel(`user:${user.id}`, { config: { private: true, broadcast: { self: true, ack: true } } })
  .on("broadcast", { event: "note" }, ({ payload }) => heard.note.push(payload.body))
  .on("broadcast", { event: "own" }, ({ payload }) => heard.own.push(payload))
  .subscribe((now) => state = now);
await untilTrue(() => state === "SUBSCRIBED");
results.subscribed = state;
await client.from("notes").insert({ body: "listen" });
results.sent = await channel.send({ type: "broadcast", event: "own", payload: { said: "by itself" } });
await untilTrue(() => heard.note.length > 0 && heard.own.length > 0);
results.heard = heard;
await client.removeChannel(channel);

const invoked = await client.functions.invoke("whoami", { body: { a: 1 } });
results.function = [invoked.data?.role, invoked.data?.sub === user.id, invoked.data?.sent];
const failed = await client.functions.invoke("whoami", { body: { fail: true } });
results.functionFailed = [failed.error?.name, (await failed.response?.json())?.error];

const before = (await client.auth.getSession()).data.session!;
const refreshed = await client.auth.refreshSession();
results.refreshed = refreshed.data.session!.refresh_token !== before.refresh_token;
results.claims = (await client.auth.getClaims()).data?.claims.sub === user.id;
results.afterRefresh = (await client.from("notes").select("body").order("id")).data;
results.update = (await client.auth.updateUser({ data: { theme: "dark" } })).data.user?.user_metadata.theme;

const made = await service.auth.admin.createUser({ email: `made-${email}`, password, email_confirm: true });
results.adminList = (await service.auth.admin.listUsers({ page: 1, perPage: 1000 })).data.users
  .filter((each) => each.email?.endsWith(email)).length;
results.adminDelete = (await service.auth.admin.deleteUser(made.data.user!.id)).error;
results.notAdmin = codeOf(await client.auth.admin.listUsers());

results.signOut = (await client.auth.signOut()).error;
results.afterSignOut = codeOf(await client.from("notes").select());
results.tokenOfEndedSession = codeOf(await client.auth.getUser(refreshed.data.session!.access_token));

console.log(JSON.stringify(results));
Deno.exit(0);
