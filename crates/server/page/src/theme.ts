// Light, dark, or as the system has it.

import { byId } from "./dom";
import { recall, remember } from "./settings";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const SAID: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };

/** Sets what was chosen last, and turns the switch. */
export function start(): void {
  const button = byId<HTMLButtonElement>("theme");
  const show = (theme: Theme) => {
    // The style sheet follows `color-scheme`; without the attribute it is the system's.
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    button.dataset["theme"] = theme;
    button.title = `Theme: ${SAID[theme]}`;
    byId("theme-name").textContent = SAID[theme];
  };
  let theme = recall<Theme>("theme", "system");
  if (!THEMES.includes(theme)) theme = "system";
  show(theme);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
    remember("theme", theme);
    show(theme);
  });
}
