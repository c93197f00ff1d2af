import "./style.css";

import { App } from "./app";
import { messageOf } from "./errors";
import { install, keepModels } from "./offline";
import { element, say } from "./page";
import type { ViewName } from "./view/stage";

const VIEWS: ViewName[] = ["half", "front", "side", "top"];

async function main(): Promise<void> {
  await install(() => {
    element("renew").hidden = false;
  });
  const app = new App();
  const file = element<HTMLInputElement>("file");
  const actions: Record<string, () => void> = {
    camera: () => void app.startCamera(),
    open: () => file.click(),
    example: () => void app.example(),
    stop: () => app.stop(),
    record: () => app.toggleRecording(),
    download: () => app.download(),
    renew: () => location.reload(),
  };
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-does]")) {
    button.addEventListener("click", () => actions[button.dataset.does!]!());
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-view]")) {
    button.addEventListener("click", () => app.view(button.dataset.view as ViewName));
  }
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    file.value = "";
    if (chosen) void app.open(chosen);
  });
  installKeys(app);
  installDrop(app);
  try {
    const { accelerator } = await app.ready();
    if (element("status").textContent === "Loading…") say("Ready.");
    document.body.dataset.ready = accelerator;
    if (await keepModels()) document.body.dataset.kept = "yes";
  } catch (error) {
    say(`The networks cannot be loaded: ${messageOf(error)}. Reload the page.`, true);
  }
}

/** Installs single-key shortcuts, which do not apply in input fields. */
function installKeys(app: App): void {
  const keys: Record<string, string> = { c: "camera", o: "open", s: "stop", r: "record", d: "download" };
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("input, select, textarea")) return;
    const key = event.key.toLowerCase(); // Caps Lock may be on.
    const view = VIEWS[Number(key) - 1];
    // If a key is held down, only the arrows repeat.
    if (event.repeat && !key.startsWith("arrow")) return;
    if (view) app.view(view);
    else if (key === "t") element("theme").click();
    else if (keys[key]) element(keys[key]!).click();
    // Space presses a focused button.
    else if (event.key === " " && target.matches("button")) return;
    else if (!app.onKey(event.key)) return;
    event.preventDefault();
  });
}

function installDrop(app: App): void {
  const body = document.body;
  let depth = 0;
  const show = (change: number) => {
    depth = change ? depth + change : 0;
    body.classList.toggle("dropping", depth > 0);
  };
  body.addEventListener("dragenter", () => show(1));
  body.addEventListener("dragleave", () => show(-1));
  body.addEventListener("dragover", (event) => event.preventDefault());
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    show(0);
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) void app.open(dropped);
  });
}

main().catch((error: unknown) => say(messageOf(error), true));
