// The process of one edge function: loads its module and answers what functions_main.ts hands on.
//
// Both kinds of module work: `export default { fetch }` and `Deno.serve(handler)`. The server starts before the
// module is loaded, so that the first line of standard output, the port, is never one that the function wrote.

type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>;

const LAST_WORK_MS = 3000;
const [entrypoint] = Deno.args;
const serve = Deno.serve;
const unfinished = new Set<Promise<unknown>>();
let served: Handler | undefined;

/** Takes the handler of a module that calls Deno.serve, in any of its forms, and opens no port of its own. */
function captureServe(...args: unknown[]): Deno.HttpServer<Deno.NetAddr> {
  const options = args.find((each) => typeof each === "object" && each !== null) as
    | { handler?: Handler }
    | undefined;
  served = (args.find((each) => typeof each === "function") as Handler | undefined) ?? options?.handler;
  return {
    addr: server.addr,
    finished: new Promise<void>(() => {}),
    ref() {},
    unref() {},
    shutdown: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function answer(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status });
}

async function load(): Promise<Handler> {
  const module = await import(entrypoint);
  const exported = module.default?.fetch?.bind(module.default) as Handler | undefined;
  const handler = exported ?? served;
  if (handler === undefined) {
    throw new TypeError("the module neither exports a default object with fetch nor calls Deno.serve");
  }
  return handler;
}

const server = serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(port),
  onError: (error) => {
    console.error(error);
    return answer(500, "WORKER_ERROR", "Function exited due to an error (please check logs)");
  },
}, async (request, info) => {
  let handler: Handler;
  try {
    handler = await loaded;
  } catch {
    return answer(503, "BOOT_ERROR", "Worker failed to boot (please check logs)");
  }
  return await handler(request, info);
});

Object.defineProperty(Deno, "serve", { value: captureServe, configurable: true, writable: true });
Object.defineProperty(globalThis, "EdgeRuntime", {
  value: {
    /** Keeps work going after the response was sent. */
    waitUntil(work: Promise<unknown>): Promise<unknown> {
      const settled = work.catch((error) => console.error(error)).finally(() => unfinished.delete(settled));
      unfinished.add(settled);
      return work;
    },
  },
});
addEventListener("unhandledrejection", (event) => {
  // One request's forgotten promise must not take the others down with it.
  console.error(event.reason);
  event.preventDefault();
});

const loaded = load();
loaded.catch((error) => console.error(error));

// Standard input stays open for as long as the main process lives, however it ends, and has use for this one. After
// that nobody waits for an answer; only what goes on after answers gets a little time.
for await (const _ of Deno.stdin.readable);
setTimeout(() => Deno.exit(0), LAST_WORK_MS);
await Promise.allSettled(unfinished);
Deno.exit(0);
