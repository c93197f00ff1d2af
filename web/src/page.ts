/** Access to the page's elements. */

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page lacks #${id}`);
  return found as T;
}

const SHOWN = 300;

/** Returns untrusted text for display: short, and without control characters. */
export function printable(text: string): string {
  const found = text.slice(0, 2 * SHOWN).replace(/[\p{C}\u2028\u2029]/gu, "?");
  return found.length > SHOWN ? `${found.slice(0, SHOWN - 1)}…` : found;
}

/** Sets the status line. Screen readers announce it, and errors immediately. */
export function say(message: string, isError = false): void {
  element("status").textContent = isError ? "" : printable(message);
  element("error").textContent = isError ? printable(message) : "";
}

/** Downloads a text as a file. */
export function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
