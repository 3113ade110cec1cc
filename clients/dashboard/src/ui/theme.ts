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

/** Least contrast (WCAG 2.2) at which a line is told apart from the card behind it. */
const LEAST_CONTRAST = 1.5;

/** Return whether a text is a colour that can be seen on a card of the present theme. */
export function isVisible(colour: string): boolean {
  if (!CSS.supports("color", colour)) {
    return false;
  }
  const [a, b] = [getLuminance(colour), getLuminance(getColour("card"))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) >= LEAST_CONTRAST;
}

/** The relative luminance of WCAG: 0 is black, 1 white. */
function getLuminance(colour: string): number {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = Array.from(context.getImageData(0, 0, 1, 1).data, (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
