Deno.serve({ port: 9 }, (request) => {
  const headers = { "x-method": request.method, "content-type": request.headers.get("content-type") ?? "" };
  return new Response(request.body, { status: 201, headers });
});
