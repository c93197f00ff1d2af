/** The user's settings, in the panel and stored for the next visit. */

import type { Backend, Choice, DetectorName, LifterName } from "./engine/messages";
import { DEFAULT, type OneEuro } from "./lifting/smoothing";
import { element } from "./page";

const KEY = "ampose settings";

export interface SettingsEvents {
  onChoice(choice: Choice): void;
  onSmoothing(): void;
  onMirror(): void;
  onDevice(): void;
}

function checkedValue(form: HTMLFormElement, name: string): string {
  return (form.elements.namedItem(name) as RadioNodeList).value;
}

export class Settings {
  private readonly form = element<HTMLFormElement>("settings");
  private readonly smooth = element<HTMLInputElement>("smooth");
  private readonly cutoff = element<HTMLInputElement>("cutoff");
  private readonly beta = element<HTMLInputElement>("beta");
  private readonly mirrorBox = element<HTMLInputElement>("mirror");
  private readonly devices = element<HTMLSelectElement>("device");

  constructor(private readonly events: SettingsEvents) {
    this.cutoff.value = String(DEFAULT.minCutoffHz);
    this.beta.value = String(DEFAULT.betaPerM);
    this.restore();
    this.label();
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", (event) => this.onChange(event.target as HTMLElement));
    this.form.addEventListener("input", () => this.label());
  }

  get choice(): Choice {
    return {
      lifter: checkedValue(this.form, "lifter") as LifterName,
      detector: checkedValue(this.form, "detector") as DetectorName,
    };
  }

  /** Shows where the detector runs. */
  tell({ threads, accelerator, reason }: Backend): void {
    const where = accelerator === "webgpu" ? "WebGPU" : threads > 1 ? `${threads} threads` : "one thread";
    element("backend").textContent = `The detector runs on ${where} (${reason}).`;
  }

  /** Restores the previous choice, unless the user has chosen again since. */
  takeBack(failed: Choice, before: Choice): void {
    const { lifter, detector } = this.choice;
    if (lifter !== failed.lifter || detector !== failed.detector) return;
    this.check(before);
    this.keep();
  }

  private check(values: { lifter: unknown; detector: unknown }): void {
    for (const [name, value] of Object.entries(values)) {
      const boxes = this.form.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`);
      for (const box of boxes) if (box.value === value) box.checked = true;
    }
  }

  /** The filter's settings, or null for none. */
  get smoothing(): OneEuro | null {
    if (!this.smooth.checked) return null;
    return {
      ...DEFAULT,
      minCutoffHz: Number(this.cutoff.value),
      betaPerM: Number(this.beta.value),
    };
  }

  get mirrored(): boolean {
    return this.mirrorBox.checked;
  }

  get deviceId(): string {
    return this.devices.value;
  }

  /** Lists the cameras. Their names are available once one has been allowed. */
  async listDevices(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const cameras = all.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
    const before = this.devices.value;
    this.devices.replaceChildren(
      new Option("Default", ""),
      ...cameras.map(({ label, deviceId }, i) => new Option(label || `Camera ${i + 1}`, deviceId)),
    );
    if (cameras.some(({ deviceId }) => deviceId === before)) this.devices.value = before;
  }

  private onChange(target: HTMLElement): void {
    this.label();
    this.keep();
    if (target.id === "mirror") this.events.onMirror();
    else if (target.id === "device") this.events.onDevice();
    else if ((target as HTMLInputElement).type === "radio") this.events.onChoice(this.choice);
    else this.events.onSmoothing();
  }

  private label(): void {
    element<HTMLOutputElement>("cutoff-text").value = `${this.cutoff.value} Hz`;
    element<HTMLOutputElement>("beta-text").value = `${this.beta.value} Hz for 1 m/s`;
    this.cutoff.disabled = this.beta.disabled = !this.smooth.checked;
  }

  private keep(): void {
    const { choice, smoothing, mirrored } = this;
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...choice, smoothing, mirrored }));
    } catch {
      // Storage may be disabled; then settings last until the page is closed.
    }
  }

  private restore(): void {
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
      if (typeof kept !== "object" || kept === null) return;
      const { lifter, detector, smoothing, mirrored } = kept as Record<string, unknown>;
      this.check({ lifter, detector });
      this.mirrorBox.checked = mirrored !== false;
      this.smooth.checked = smoothing !== null;
      if (smoothing) {
        const { minCutoffHz, betaPerM } = smoothing as OneEuro;
        this.cutoff.value = String(Number(minCutoffHz));
        this.beta.value = String(Number(betaPerM));
      }
    } catch {
      // The stored value is invalid; the defaults are used.
    }
  }
}
