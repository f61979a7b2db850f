Deno.serve({ handler: () => Response.json(Deno.env.toObject()) });
