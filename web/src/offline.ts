/** The service worker: the page without a network, isolated for threads. */

const TRIED = `ampose isolated ${document.baseURI}`;
const PATIENCE_MS = 4000;

/**
 * Waits until the service worker serves this page, or for a while.
 *
 * With its headers the page may use threads, which takes one reload; with
 * one processor there is none. A new version that waits takes over now, while
 * there is nothing to lose, which takes one, too.
 *
 * @param onNew Called when a new version has come while the page was used.
 */
export async function install(onNew: () => void): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
    if (registration.waiting && navigator.serviceWorker.controller) {
      const taken = changed();
      registration.waiting.postMessage("take over");
      if (await Promise.race([taken, patience()])) return await reload();
    }
    const watch = () => {
      const { installing } = registration;
      installing?.addEventListener("statechange", () => {
        if (installing.state === "installed" && navigator.serviceWorker.controller) onNew();
      });
    };
    registration.addEventListener("updatefound", watch);
    watch(); // One may have come already.
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
function changed(): Promise<boolean> {
  return new Promise((resolve) =>
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true }),
  );
}

function patience(): Promise<boolean> {
  return new Promise((resolve) => setTimeout(() => resolve(false), PATIENCE_MS));
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
