/** Dark or light theme: that of the system, unless the switch was used. */

const KEY = "ampose theme";

type Theme = "dark" | "light";

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null; // Storage may be disabled; the system's theme is used.
  }
}

/** Installs the switch; calls back now and whenever the theme changes. */
export function installTheme(button: HTMLButtonElement, onChange: () => void): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = stored();
  const show = () => {
    const theme = chosen ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
    onChange();
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // The choice lasts until the page is closed.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}
