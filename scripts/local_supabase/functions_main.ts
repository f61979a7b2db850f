// Serves the edge functions of a project: one process a function, started by its first request, as the real edge
// runtime starts its workers. A function whose files change is started anew by its next request.

import { type Trust, verifyToken } from "./functions_tokens.ts";

interface FunctionConfig {
  enabled?: boolean;
  verify_jwt?: boolean;
  entrypoint?: string;
  import_map?: string;
}

interface Config {
  port: number;
  /** The folder that holds `supabase/`. */
  project: string;
  trust: Trust;
  /** By name, what config.toml says of functions; the ones that it does not name have the defaults. */
  functions: Record<string, FunctionConfig>;
}

interface Worker {
  url: Promise<string>;
  process: Deno.ChildProcess;
  stdin: WritableStream<Uint8Array>;
  requests: number;
  stale: boolean;
}

const CONFIG_VARIABLE = "LOCAL_FUNCTIONS_CONFIG";
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
// Names that a function gets to see; the rest of the environment is the machine's own business.
const PASSED_ON =
  /^(SUPABASE_|DENO_|NPM_CONFIG_|npm_config_|SSL_CERT|HTTPS?_PROXY$|NO_PROXY$)|^(HOME|PATH|TMPDIR|LANG|TZ)$/;
const WORKER = new URL("./functions_worker.ts", import.meta.url).href;

const config: Config = JSON.parse(Deno.env.get(CONFIG_VARIABLE) ?? "{}");
const folder = `${config.project}/supabase/functions`;
const workers = new Map<string, Worker>();

function refuse(status: number, code: string | number, message: string): Response {
  return Response.json({ code, message }, { status });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Where a function's module is, or null if there is no such function. */
async function findEntrypoint(name: string): Promise<string | null> {
  const settings = config.functions[name];
  if (!NAME.test(name) || name.startsWith("_") || settings?.enabled === false) return null;
  const path = settings?.entrypoint
    ? `${config.project}/supabase/${settings.entrypoint}`
    : `${folder}/${name}/index.ts`;
  return await exists(path) ? path : null;
}

/** The options that give a function its own deno.json or import map, and nobody else's package.json. */
async function moduleOptions(name: string): Promise<string[]> {
  const options = ["--no-lock", "--node-modules-dir=none"];
  const map = config.functions[name]?.import_map;
  const path = map ? `${config.project}/supabase/${map}` : null;
  if (path !== null && !/deno\.jsonc?$/.test(path)) {
    return [...options, "--no-config", `--import-map=${path}`];
  }
  for (
    const candidate of [
      path,
      `${folder}/${name}/deno.json`,
      `${folder}/${name}/deno.jsonc`,
      `${folder}/deno.json`,
    ]
  ) {
    if (candidate !== null && await exists(candidate)) return [...options, `--config=${candidate}`];
  }
  return [...options, "--no-config"];
}

async function spawn(name: string, entrypoint: string): Promise<Worker> {
  const secrets = `${folder}/.env`;
  const environment = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([variable]) => PASSED_ON.test(variable)),
  );
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-all",
      ...await moduleOptions(name),
      ...(await exists(secrets) ? [`--env-file=${secrets}`] : []),
      WORKER,
      new URL(`file://${entrypoint}`).href,
    ],
    cwd: config.project,
    clearEnv: true,
    env: { ...environment, DENO_NO_PACKAGE_JSON: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const worker: Worker = {
    url: readAddress(process),
    process,
    stdin: process.stdin,
    requests: 0,
    stale: false,
  };
  worker.url.catch(() => {});
  process.status.then(() => {
    worker.stale = true;
    if (workers.get(name) === worker) workers.delete(name);
  });
  return worker;
}

/** Reads the port from the first line of a worker's output and passes the rest on. */
async function readAddress(process: Deno.ChildProcess): Promise<string> {
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await lines.read();
    if (done) throw new Error("the worker ended before it listened");
    text += value;
  }
  const end = text.indexOf("\n");
  passOn(text.slice(end + 1), lines);
  return `http://127.0.0.1:${text.slice(0, end)}`;
}

async function passOn(text: string, lines: ReadableStreamDefaultReader<string>): Promise<void> {
  const encoder = new TextEncoder();
  for (let done = false; !done;) {
    if (text) await Deno.stdout.write(encoder.encode(text));
    const next = await lines.read();
    done = next.done;
    text = next.value ?? "";
  }
}

const starting = new Map<string, Promise<Worker>>();

/** The worker of a function, started unless it runs already. */
async function workerOf(name: string, entrypoint: string): Promise<Worker> {
  const running = workers.get(name);
  if (running !== undefined && !running.stale) return running;
  let start = starting.get(name);
  if (start === undefined) {
    start = spawn(name, entrypoint).finally(() => starting.delete(name));
    starting.set(name, start);
  }
  const worker = await start;
  if (!worker.stale) workers.set(name, worker);
  return worker;
}

/** Ends a worker that is no longer wanted once nobody waits for it. */
function retire(worker: Worker): void {
  if (worker.stale && worker.requests === 0) worker.stdin.close().catch(() => {});
}

async function handOn(request: Request, worker: Worker, path: string): Promise<Response> {
  worker.requests += 1;
  try {
    const headers = new Headers(request.headers);
    // Responses are compressed for the client, not between two processes of one machine.
    headers.delete("accept-encoding");
    const response = await fetch(`${await worker.url}${path}`, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
      signal: request.signal,
    });
    const streamed = response.body?.pipeThrough(
      new TransformStream({ flush: () => release(worker), cancel: () => release(worker) }),
    );
    if (streamed === undefined) release(worker);
    return new Response(streamed ?? null, response);
  } catch (error) {
    release(worker);
    throw error;
  }
}

function release(worker: Worker): void {
  worker.requests -= 1;
  retire(worker);
}

async function isAllowed(request: Request, name: string): Promise<Response | null> {
  if (request.method === "OPTIONS" || config.functions[name]?.verify_jwt === false) return null;
  const [scheme, token] = (request.headers.get("authorization") ?? "").split(" ");
  if (!token) return refuse(401, 401, "Missing authorization header");
  if (scheme.toLowerCase() !== "bearer" || !await verifyToken(token, config.trust)) {
    return refuse(401, 401, "Invalid JWT");
  }
  return null;
}

async function handle(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/_internal/health") return Response.json({ message: "ok" });
  const name = url.pathname.split("/")[1];
  const entrypoint = await findEntrypoint(name);
  if (entrypoint === null) return refuse(404, "NOT_FOUND", "Requested function was not found");
  const refusal = await isAllowed(request, name);
  if (refusal !== null) return refusal;
  const worker = await workerOf(name, entrypoint);
  try {
    return await handOn(request, worker, url.pathname + url.search);
  } catch (error) {
    if (request.signal.aborted) return refuse(499, "CLIENT_GONE", "The client closed the connection");
    console.error(`${name}:`, error);
    return refuse(500, "WORKER_ERROR", "Function exited due to an error (please check logs)");
  }
}

/** Marks functions as stale when their files change; what is shared concerns all of them. */
async function watch(): Promise<void> {
  const parent = `${config.project}/supabase`;
  if (!await exists(parent)) return;
  const real = await Deno.realPath(parent);
  for await (const event of Deno.watchFs(real)) {
    if (event.kind === "access") continue;
    for (const path of event.paths) {
      if (!path.startsWith(`${real}/functions/`)) continue;
      const name = path.slice(real.length).split("/")[2];
      for (const [key, worker] of workers) {
        if (key !== name && workers.has(name)) continue;
        worker.stale = true;
        retire(worker);
      }
    }
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.addSignalListener(signal, () => {
    // Their standard input closes with this process, and that ends the workers.
    Deno.exit(0);
  });
}
Deno.serve({
  hostname: "127.0.0.1",
  port: config.port,
  onListen: ({ port }) => console.log(`edge functions of ${folder} on port ${port}`),
  onError: (error) => {
    console.error(error);
    return refuse(500, "INTERNAL_SERVER_ERROR", "Request failed due to an internal server error");
  },
}, handle);
await watch();
