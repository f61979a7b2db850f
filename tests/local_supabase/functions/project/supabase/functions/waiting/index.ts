// Never answers a GET, and says to a POST how many wait and how many gave up.
let waiting = 0;
let left = 0;

Deno.serve((request) => {
  if (request.method === "POST") return Response.json({ waiting, left });
  waiting += 1;
  request.signal.addEventListener("abort", () => left += 1);
  return new Promise<Response>(() => {});
});
