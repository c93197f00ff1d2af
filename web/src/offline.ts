/** Installs the service worker, for use offline and for threads. */

const TRIED = `ampose isolated ${document.baseURI}`;
const PATIENCE_MS = 4000;

/**
 * Waits for a limited time until the service worker serves this page.
 *
 * The worker's headers allow threads. They require one reload, which is omitted
 * if there is only one processor.
 *
 * @param onNew Called when a new version is available after a reload.
 */
export async function install(onNew: () => void): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
    if (navigator.serviceWorker.controller) {
      // A page that is still loading may need files that the new worker lacks.
      void changed().then(() => (document.body.dataset.ready ? onNew() : location.reload()));
    }
    // If one is already active, the user has forced a reload without it.
    const comes = !registration.active && !navigator.serviceWorker.controller;
    if (comes) await Promise.race([changed(), patience()]);
    const able = navigator.serviceWorker.controller && navigator.hardwareConcurrency > 1;
    if (!able || crossOriginIsolated || sessionStorage.getItem(TRIED)) return;
    sessionStorage.setItem(TRIED, "yes");
  } catch {
    return; // Private windows may forbid it; the page then works only online.
  }
  await reload();
}

async function reload(): Promise<void> {
  location.reload();
  await new Promise(() => undefined); // Nothing may start before the reload.
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

/** Stores all networks for use offline; returns whether this succeeded. */
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
