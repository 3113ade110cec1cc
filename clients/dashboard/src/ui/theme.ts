/** Light and dark colours: those of the system, unless the reader has chosen. */
import { useEffect, useState } from "preact/hooks";

export type ThemeChoice = "auto" | "light" | "dark";

const KEY = "tradeexecutor-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function getChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

export function setChoice(choice: ThemeChoice): void {
  localStorage.setItem(KEY, choice);
  apply();
}

export function apply(): void {
  document.documentElement.dataset.theme = getTheme();
  dispatchEvent(new Event("themechange"));
}

export function getTheme(): "light" | "dark" {
  const choice = getChoice();
  return choice === "auto" ? (system.matches ? "dark" : "light") : choice;
}

system.addEventListener("change", apply);

/** The present theme; the component is drawn again when it changes. */
export function useTheme(): "light" | "dark" {
  const [theme, setTheme] = useState(getTheme());
  useEffect(() => {
    const change = () => setTheme(getTheme());
    addEventListener("themechange", change);
    return () => removeEventListener("themechange", change);
  }, []);
  return theme;
}

/** A colour of the style sheet, for what is drawn on a canvas. */
export function getColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
