/** The frame of all pages: the head with the theme, and the page of the address. */
import { useEffect, useState } from "preact/hooks";

import { Overview } from "./pages/overview";
import { StrategyPage } from "./pages/strategy";
import { formatRoute, useRoute } from "./route";
import { getChoice, setChoice, type ThemeChoice } from "./ui/theme";

export function App() {
  const route = useRoute();
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={formatRoute({})}>
          tradeexecutor
        </a>
        <span class="grow" />
        <ThemeButton />
      </header>
      <main id="main" tabIndex={-1}>
        {route.id ? <StrategyPage key={route.id} route={route} /> : <Overview />}
      </main>
    </>
  );
}

function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

const NEXT: Record<ThemeChoice, ThemeChoice> = { auto: "light", light: "dark", dark: "auto" };
const NAMES: Record<ThemeChoice, string> = { auto: "System colours", light: "Light", dark: "Dark" };

function ThemeButton() {
  const [choice, set] = useState(getChoice());
  const change = () => {
    // The kept choice, not the drawn one: a second click may come before the first is drawn.
    setChoice(NEXT[getChoice()]);
    set(getChoice());
  };
  return (
    <button type="button" onClick={change} aria-label={`Colours: ${NAMES[choice]}. Change them.`}>
      {NAMES[choice]}
    </button>
  );
}
