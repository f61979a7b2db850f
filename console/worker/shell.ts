/**
 * The service worker: the console opens without a network. It keeps the console's own files and nothing else; what the
 * project answers never passes through here.
 *
 * Files below assets/ are named by their content, so the kept one is as good as the host's. Everything else is asked of
 * the host first, and what was kept is shown only when that fails.
 */
declare const self: ServiceWorkerGlobalScope;
// A module, so that `self` here is not the global one.
export {};

const KEPT = "sigtrail-shell";
const LIST = "shell.json";
const PATIENCE_MILLISECONDS = 4_000;

self.addEventListener("install", (event) => event.waitUntil(keepShell()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || !address.href.startsWith(self.registration.scope)) return;
  event.respondWith(
    address.pathname.includes("/assets/") ? keptFirst(event.request) : hostFirst(event.request),
  );
});

/** Keeps every file that the build lists, and forgets those of builds before it. */
async function keepShell(): Promise<void> {
  const answered = await fetch(LIST, { cache: "no-cache" });
  const files = (await answered.json()) as string[];
  const cache = await caches.open(KEPT);
  const wanted = new Set(
    ["./", "config.json", ...files].map((file) => new URL(file, self.registration.scope).href),
  );
  const kept = await cache.keys();
  const known = new Set(kept.map((request) => request.url));
  await cache.addAll([...wanted].filter((url) => !url.includes("/assets/") || !known.has(url)));
  await Promise.all(
    kept.filter((request) => !wanted.has(request.url)).map((request) => cache.delete(request)),
  );
}

async function keptFirst(request: Request): Promise<Response> {
  return await caches.match(request) ?? await fetch(request);
}

async function hostFirst(request: Request): Promise<Response> {
  try {
    const answered = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
    // A proxy that lost the host answers for it: what was kept is better than its apology.
    if (answered.status < 500) return answered;
    return await caches.match(request, { ignoreSearch: true }) ?? answered;
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
