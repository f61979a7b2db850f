// Tokens of one stack: HS256 by its secret, ES256 by the key of its JWKS.

export interface Trust {
  secret: string;
  jwks: { keys: (JsonWebKey & { kid?: string })[] };
}

/** Whether a token was signed by this stack and is valid now. */
export async function verifyToken(token: string, trust: Trust): Promise<boolean> {
  const [header, payload, signature, ...more] = token.split(".");
  if (!signature || more.length > 0) return false;
  try {
    const { alg, kid } = decodeJson(header);
    const { exp, nbf } = decodeJson(payload);
    const now = Date.now() / 1000;
    if ((typeof exp === "number" && exp <= now) || (typeof nbf === "number" && nbf > now)) return false;
    const key = await importKey(trust, alg, kid);
    if (key === null) return false;
    const algorithm = alg === "HS256" ? "HMAC" : { name: "ECDSA", hash: "SHA-256" };
    const signed = new TextEncoder().encode(`${header}.${payload}`);
    return await crypto.subtle.verify(algorithm, key, decodeBase64Url(signature), signed);
  } catch (error) {
    // Only what is no token at all ends here: bad Base64, bad JSON, a claim of the wrong kind.
    if (error instanceof SyntaxError || error instanceof DOMException || error instanceof TypeError) {
      return false;
    }
    throw error;
  }
}

async function importKey(trust: Trust, alg: unknown, kid: unknown): Promise<CryptoKey | null> {
  if (alg === "HS256") {
    const secret = new TextEncoder().encode(trust.secret);
    return await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  }
  if (alg !== "ES256") return null;
  const jwk = trust.jwks.keys.find((each) => each.kid === kid);
  if (jwk === undefined) return null;
  return await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
}

function decodeJson(part: string): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(decodeBase64Url(part)));
}

function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
