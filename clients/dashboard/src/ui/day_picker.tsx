/** Shows a page as it was at the beginning of a day, UTC. */
import { linkTo, type Route } from "../route";

/** @param page of the strategy, the summary by default */
export function DayPicker({ route, page = "" }: { route: Route; page?: string }) {
  const change = (event: Event & { currentTarget: HTMLInputElement }) => {
    const day = event.currentTarget.value;
    if (day) {
      location.hash = linkTo({ ...route, values: {} }, page, "", { at: day }).slice(1);
    }
  };
  return (
    <label>
      As it was on <input type="date" value={route.values.at?.slice(0, 10) ?? ""} onChange={change} aria-label="Day whose beginning to look at, UTC" />
    </label>
  );
}
