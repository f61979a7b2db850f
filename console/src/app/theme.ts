/** Dark, light, or what the device prefers; remembered on this device. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "dark" | "light";
const KEY = "sigtrail.theme";
const listeners = new Set<() => void>();

function read(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "dark" || stored === "light" ? stored : "system";
}

export function setTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  apply();
  for (const listener of listeners) listener();
}

const LIGHT = matchMedia("(prefers-color-scheme: light)");

/** Puts the theme on the page, `dark` or `light`, and follows the device where nobody chose. */
export function apply(): void {
  const theme = read();
  document.documentElement.dataset["theme"] = theme !== "system" ? theme : LIGHT.matches ? "light" : "dark";
}
LIGHT.addEventListener("change", apply);

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, read);
}
