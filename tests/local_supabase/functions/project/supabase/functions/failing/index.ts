Deno.serve((request) => {
  if (new URL(request.url).searchParams.has("exit")) Deno.exit(3);
  throw new Error("failed while it answered");
});
