/**
 * The address of a view: `#/ID/PAGE/ITEM?name=value`. A link to it shows the same view to somebody else.
 */
import { useEffect, useState } from "preact/hooks";

export interface Route {
  /** Id of the strategy; empty on the overview. */
  id: string;
  /** Page of the strategy. */
  page: string;
  /** What the page is about, e.g. the id of a position. */
  item: string;
  /** Everything else: sorting, filters, the save that is looked at. */
  values: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [id = "", page = "", item = ""] = path.split("/").map(decode);
  return { id, page, item, values: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function formatRoute({ id = "", page = "", item = "", values = {} }: Partial<Route>): string {
  const path = [id, page, item].map(encodeURIComponent).join("/").replace(/\/+$/, "");
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
  return `#/${path}${query ? `?${query}` : ""}`;
}

/** The present route; the component is drawn again when it changes. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = () => setHash(location.hash);
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return parseRoute(hash);
}

/** Change some values of the present view, without an entry in the history of the browser. */
export function setValues(changes: Record<string, string>): void {
  const route = parseRoute(location.hash);
  const next = formatRoute({ ...route, values: { ...route.values, ...changes } });
  history.replaceState(null, "", next);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The address of a page of the same strategy, at the same save. */
export function linkTo(route: Route, page: string, item = "", values: Record<string, string> = {}): string {
  const at = route.values.at;
  return formatRoute({ id: route.id, page, item, values: { ...(at ? { at } : {}), ...values } });
}
