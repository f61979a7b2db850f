let cancelled = 0;

Deno.serve((request) => {
  if (request.method === "POST") return Response.json({ cancelled });
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65536)),
    cancel: () => {
      cancelled += 1;
    },
  });
  return new Response(body);
});
