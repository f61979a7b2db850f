import { word } from "words";

export default { fetch: () => new Response(word) };
