// The service worker: serves the page offline, and adds headers that a static
// host may not send. The build fills in the names of the page's files.
"use strict";

const VERSION = "@version@";
const SHELL = ["@shell@"];
const MODELS = ["@models@"];
const POLICY = "@policy@";
const PERMISSIONS = "@permissions@";

const scope = self.registration.scope;
// Pages in other folders of the same host have their own caches.
const OURS = `ampose ${scope} `;
const CACHE = OURS + VERSION;
const urlOf = (name) => new URL(name, scope).href;
const SHELL_URLS = new Set(SHELL.map(urlOf));
const MODEL_URLS = new Set(MODELS.map(urlOf));
const START = urlOf("index.html");

self.addEventListener("install", (event) => {
  // Bypass the browser's own cache, which may contain files of an older version.
  const asked = [...SHELL_URLS].map((url) => new Request(url, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(asked)));
  // Open pages have already loaded their code; new pages use the new version.
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith(OURS) && name !== CACHE)
            .map((name) => caches.delete(name)),
        ),
      )
      .then(() => self.clients.claim()),
  );
});

// Threads require a page that is isolated from other origins.
function withHeaders(response) {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  headers.set("Content-Security-Policy", POLICY);
  headers.set("Permissions-Policy", PERMISSIONS);
  return new Response(response.body, { status: response.status, headers });
}

async function kept(url) {
  const cache = await caches.open(CACHE);
  const found = await cache.match(url);
  if (found) return found;
  const response = await fetch(url, { cache: "no-cache" });
  if (response.ok) {
    const copy = response.clone();
    // If there is no space to store the file, it is still served.
    await cache.put(url, copy).catch((error) => console.warn(`not kept: ${url}: ${error}`));
  }
  return response;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  url.hash = url.search = "";
  const plain = request.mode === "navigate" && url.href === scope ? START : url.href;
  if (SHELL_URLS.has(plain) || MODEL_URLS.has(plain)) {
    event.respondWith(kept(plain).then(withHeaders));
  }
});

// Once it is ready, the page requests the files that it has not loaded: all
// networks, and the runtimes with and without threads, because it may need the
// other one next time. Browsers without SIMD have already loaded their only one.
self.addEventListener("message", (event) => {
  if (event.data !== "keep") return;
  const keep = Promise.all(
    MODELS.filter((name) => !name.includes("compat")).map((name) => kept(urlOf(name))),
  );
  event.waitUntil(
    keep.then(
      () => event.source.postMessage("kept"),
      () => undefined, // Offline; the page will ask again next time.
    ),
  );
});
