export default { fetch: () => new Response("renamed") };
