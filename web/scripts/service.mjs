// Names the networks' folder in dist/ by a hash of its contents, so that a
// version of the page never loads the networks of another. Writes dist/sw.js,
// with the list of this build's files, and dist/_headers, which some static
// hosts use.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(web, "dist");

async function hashOf(names) {
  const hash = createHash("sha256");
  for (const name of names) hash.update(name).update(await readFile(join(dist, name)));
  return hash.digest("hex").slice(0, 16);
}

const isModel = (name) => name.startsWith("assets/") && !name.endsWith(".txt");
const loaded = (await readdir(join(dist, "assets"))).map((name) => `assets/${name}`).filter(isModel).sort();
const folder = `assets/${await hashOf(loaded)}`;
await mkdir(join(dist, folder));
for (const name of loaded) await rename(join(dist, name), join(dist, name.replace("assets", folder)));
const start = join(dist, "index.html");
const asBuilt = await readFile(start, "utf8");
const page = asBuilt.replace('name="assets" content="./assets/"', `name="assets" content="./${folder}/"`);
if (page === asBuilt) throw new Error("index.html: expected <meta name=\"assets\" content=\"./assets/\" />");
await writeFile(start, page);

const entries = await readdir(dist, { recursive: true, withFileTypes: true });
const names = entries
  .filter((entry) => entry.isFile())
  .map((entry) => relative(dist, join(entry.parentPath, entry.name)).split(sep).join("/"))
  .filter((name) => name !== "sw.js" && name !== "_headers")
  .sort();

// The page's own policy, with a directive that <meta> does not support.
const [, meta] = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page);
const policy = `${meta.replace(/\s+/g, " ").trim()}; frame-ancestors 'self'`;

const PERMISSIONS = "camera=(self), microphone=(), geolocation=()";

const template = await readFile(join(web, "service", "sw.js"), "utf8");
const text = (values) => values.map((value) => JSON.stringify(value)).join(", ");
await writeFile(
  join(dist, "sw.js"),
  template
    .replace("@version@", await hashOf(names))
    .replace('"@shell@"', text(names.filter((name) => !isModel(name))))
    .replace('"@models@"', text(names.filter(isModel)))
    .replace("@policy@", policy)
    .replace("@permissions@", PERMISSIONS),
);
await writeFile(
  join(dist, "_headers"),
  [
    "/*",
    `  Content-Security-Policy: ${policy}`,
    "  Cross-Origin-Opener-Policy: same-origin",
    "  Cross-Origin-Embedder-Policy: require-corp",
    "  Cross-Origin-Resource-Policy: same-origin",
    `  Permissions-Policy: ${PERMISSIONS}`,
    "  Referrer-Policy: no-referrer",
    "  X-Content-Type-Options: nosniff",
    "",
  ].join("\n"),
);
