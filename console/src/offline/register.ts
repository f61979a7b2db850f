/** Makes the console open without a network, where the browser can do that. */
export function keepForOffline(): void {
  // Browsers offer it on https and on this machine only; while developing, kept files would hide changes.
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  navigator.serviceWorker.register("./worker.js").catch((error: unknown) => {
    console.warn("the console will not open without a network:", error);
  });
}
