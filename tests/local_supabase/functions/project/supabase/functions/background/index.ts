declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void };
let finished = 0;

async function work(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  finished += 1;
}

Deno.serve((request) => {
  if (request.method === "POST") {
    EdgeRuntime.waitUntil(work());
    Promise.reject(new Error("nobody catches this"));
  }
  return Response.json({ finished });
});
