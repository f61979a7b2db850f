// Writes a line, and another for each one that it is asked for by a POST.
let more: (() => void) | undefined;

Deno.serve((request) => {
  if (request.method === "POST") {
    more?.();
    return new Response();
  }
  const lines = new ReadableStream<string>({
    start(controller) {
      controller.enqueue("first\n");
      more = () => {
        controller.enqueue("second\n");
        controller.close();
      };
    },
  });
  return new Response(lines.pipeThrough(new TextEncoderStream()), { headers: { "content-type": "text/csv" } });
});
