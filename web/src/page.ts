/** The page's elements, by their ids. */

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page lacks #${id}`);
  return found as T;
}

const SHOWN = 300;

/** Returns a text of strangers as it is shown: short, and without what turns or hides it. */
export function printable(text: string): string {
  const found = text.slice(0, 2 * SHOWN).replace(/[\p{C}\u2028\u2029]/gu, "?");
  return found.length > SHOWN ? `${found.slice(0, SHOWN - 1)}…` : found;
}

/** The line at the bottom, which screen readers say, errors at once. */
export function say(message: string, isError = false): void {
  element("status").textContent = isError ? "" : printable(message);
  element("error").textContent = isError ? printable(message) : "";
}

/** Offers a text as a file. */
export function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
