import { greeting } from "../_shared/greeting.ts";

console.log("greet was loaded");

export default {
  async fetch(request: Request): Promise<Response> {
    const { name } = await request.json();
    return Response.json({ text: greeting(name), path: new URL(request.url).pathname });
  },
};
