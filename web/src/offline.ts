/** The service worker: the page without a network, isolated for threads. */

const TRIED = "ampose isolated";
const PATIENCE_MS = 4000;

/**
 * Waits until the service worker serves this page, or for a while.
 *
 * With its headers the page may use threads, which takes one reload; with
 * one processor there is none.
 */
export async function install(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
    await Promise.race([controlled(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    const able = navigator.serviceWorker.controller && navigator.hardwareConcurrency > 1;
    if (!able || crossOriginIsolated || sessionStorage.getItem(TRIED)) return;
    sessionStorage.setItem(TRIED, "yes");
  } catch {
    return; // Private windows may forbid it; the page works, with a network.
  }
  location.reload();
  await new Promise(() => undefined); // Nothing is to begin before.
}

function controlled(): Promise<void> {
  if (navigator.serviceWorker.controller) return Promise.resolve();
  return new Promise((resolve) =>
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(), { once: true }),
  );
}

/** Has all networks kept for the time without a network; true if they are. */
export function keepModels(): Promise<boolean> {
  const worker = navigator.serviceWorker?.controller;
  if (!worker) return Promise.resolve(false);
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("message", (event) => {
      if (event.data === "kept") resolve(true);
    });
    worker.postMessage("keep");
  });
}
