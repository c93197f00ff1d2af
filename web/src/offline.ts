/** The service worker: the page without a network, isolated for threads. */

const TRIED = `ampose isolated ${document.baseURI}`;
const PATIENCE_MS = 4000;

/**
 * Waits until the service worker serves this page, or for a while.
 *
 * With its headers the page may use threads, which takes one reload; with
 * one processor there is none.
 *
 * @param onNew Called when a new version serves what is loaded next, while the page was used.
 */
export async function install(onNew: () => void): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
    if (navigator.serviceWorker.controller) {
      // Of a page that is loading, the new one may lack the rest.
      void changed().then(() => (document.body.dataset.ready ? onNew() : location.reload()));
    }
    // With one that is active already, the user has asked for a page without.
    const comes = !registration.active && !navigator.serviceWorker.controller;
    if (comes) await Promise.race([changed(), patience()]);
    const able = navigator.serviceWorker.controller && navigator.hardwareConcurrency > 1;
    if (!able || crossOriginIsolated || sessionStorage.getItem(TRIED)) return;
    sessionStorage.setItem(TRIED, "yes");
  } catch {
    return; // Private windows may forbid it; the page works, with a network.
  }
  await reload();
}

async function reload(): Promise<void> {
  location.reload();
  await new Promise(() => undefined); // Nothing is to begin before.
}

/** Waits until another service worker serves the page. */
function changed(): Promise<void> {
  return new Promise((resolve) =>
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(), { once: true }),
  );
}

function patience(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
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
