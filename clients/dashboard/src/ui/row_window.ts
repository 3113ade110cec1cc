/**
 * The rows of a long table that are in view, in elements that are used again.
 *
 * They are written without the component library: a jump through a table changes several hundred cells, and comparing
 * what was drawn with what is to be drawn would take longer than writing it.
 */
import { type Cell, type Column, getCell, isText } from "../data/table";
import { formatLocal } from "../format";
import { formatCell } from "./columns";

/** Height of a row, as in the style sheet. */
export const ROW = 34;

/** Rows beyond either edge, so that scrolling does not outrun them. */
const EXTRA = 8;

/** Longer texts may not fit into their cell. */
const LONG = 24;

export interface Source {
  columns: Column[];
  /** The rows of the table, in the order in which they are shown. */
  rows: Uint32Array;
  /** Address of a row; undefined for none. */
  link: (row: number) => string | undefined;
}

interface CellView {
  element: HTMLTableCellElement;
  text: Text;
  link: HTMLAnchorElement | undefined;
}

interface RowView {
  element: HTMLTableRowElement;
  cells: CellView[];
  /** Place of the row that it shows; -1 before the first. */
  at: number;
}

export class RowWindow {
  private source: Source = { columns: [], rows: new Uint32Array(0), link: () => undefined };
  private readonly views: RowView[] = [];
  private readonly above = makeSpace();
  private readonly below = makeSpace();
  private top = 0;
  private active = -1;

  /** @param box what scrolls; @param body where the rows are; @param height of the box, pixels */
  constructor(
    private readonly box: HTMLElement,
    private readonly body: HTMLTableSectionElement,
    private readonly height: number,
  ) {
    body.addEventListener("mouseover", this.explain);
  }

  /** Show other rows; a new order begins at the top. */
  show(source: Source, isNewOrder: boolean): void {
    if (source.columns !== this.source.columns) {
      this.views.splice(0).forEach((view) => view.element.remove());
    }
    this.source = source;
    this.views.forEach((view) => (view.at = -1));
    if (isNewOrder) {
      this.active = -1;
      this.top = 0;
    }
    this.draw();
    if (isNewOrder) {
      this.box.scrollTop = 0;
    }
  }

  scroll(top: number): void {
    if (top !== this.top) {
      this.top = top;
      this.draw();
    }
  }

  /** Do what a key does; return whether it does anything. */
  press(key: string): boolean {
    const page = Math.max(1, Math.floor(this.height / ROW) - 2);
    const { active, source } = this;
    const steps: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: source.rows.length - 1 };
    const to = steps[key];
    if (to === undefined) {
      return false;
    }
    this.move(Math.min(Math.max(to, 0), source.rows.length - 1));
    return true;
  }

  /** Address of the row that the keys have chosen. */
  get address(): string | undefined {
    const row = this.source.rows[this.active];
    return row === undefined ? undefined : this.source.link(row);
  }

  private move(to: number): void {
    if (to < 0) {
      return;
    }
    this.mark(false);
    this.active = to;
    const y = to * ROW;
    const end = y + 2 * ROW - this.box.clientHeight;
    const top = y < this.top ? y : Math.max(this.top, end);
    if (top === this.top) {
      this.mark(true);
      return;
    }
    this.top = top;
    this.draw();
    this.mark(true);
    this.box.scrollTop = top;
  }

  private mark(isActive: boolean): void {
    this.views.find((view) => view.at === this.active)?.element.classList.toggle("active", isActive);
  }

  private draw(): void {
    const { rows, columns } = this.source;
    const inView = Math.ceil(this.height / ROW);
    const size = Math.min(rows.length, inView + 2 * EXTRA);
    const first = Math.min(Math.max(0, Math.floor(this.top / ROW) - EXTRA), rows.length - size);
    while (this.views.length > size) {
      this.views.pop()!.element.remove();
    }
    this.turn(first);
    while (this.views.length < size) {
      const view = makeRow(columns);
      this.views.push(view);
      this.addLast(view);
    }
    this.views.forEach((view, index) => {
      if (view.at !== first + index) {
        this.fill(view, first + index);
      }
    });
    // Where no row is left out, there is no element.
    if (setHeight(this.above, first)) {
      this.body.prepend(this.above);
    }
    if (setHeight(this.below, rows.length - first - size)) {
      this.body.append(this.below);
    }
  }

  /** Move the rows that have left at one end to the other, so that those that stay need not be written again. */
  private turn(first: number): void {
    const { views } = this;
    const known = views[0]?.at ?? -1;
    const step = first - known;
    if (known < 0 || Math.abs(step) >= views.length) {
      return;
    }
    for (let left = step; left > 0; left--) {
      const view = views.shift()!;
      views.push(view);
      this.addLast(view);
    }
    for (let left = step; left < 0; left++) {
      const view = views.pop()!;
      views[0]!.element.before(view.element);
      views.unshift(view);
    }
  }

  private addLast(view: RowView): void {
    if (this.below.isConnected) {
      this.below.before(view.element);
    } else {
      this.body.append(view.element);
    }
  }

  private fill(view: RowView, at: number): void {
    const { columns, rows, link } = this.source;
    const row = rows[at]!;
    view.at = at;
    view.element.className = at === this.active ? "active" : "";
    view.element.setAttribute("aria-rowindex", String(at + 2));
    view.cells.forEach(({ element, text, link: anchor }, index) => {
      const column = columns[index]!;
      const value = getCell(column, row);
      setText(text, formatCell(column.kind, value));
      const look = `${column.kind}${column.minor ? " minor" : ""}${getSign(column.kind, value)}`;
      if (element.className !== look) {
        element.className = look;
      }
      element.removeAttribute("title");
      if (anchor) {
        setAddress(anchor, link(row));
      }
    });
  }

  /** What a cell says on hover takes long to make, so it is made for the one under the pointer. */
  private readonly explain = (event: Event): void => {
    const cell = (event.target as Element).closest("td");
    const view = this.views.find(({ element }) => element === cell?.parentElement);
    const index = view?.cells.findIndex(({ element }) => element === cell) ?? -1;
    const column = this.source.columns[index];
    if (!cell || !view || !column) {
      return;
    }
    const title = describe(column, getCell(column, this.source.rows[view.at]!), cell.textContent ?? "");
    if (title) {
      cell.title = title;
    }
  };
}

function describe(column: Column, value: Cell, text: string): string {
  if (column.kind === "time" && typeof value === "number") {
    return formatLocal(value / 1000);
  }
  return text.length > LONG ? text : "";
}

function makeSpace(): HTMLTableRowElement {
  const element = document.createElement("tr");
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** Make space for rows that are not in the page; return whether it has to be put there. */
function setHeight(space: HTMLTableRowElement, rows: number): boolean {
  if (rows === 0) {
    space.remove();
    return false;
  }
  space.style.height = `${rows * ROW}px`;
  return !space.isConnected;
}

function makeRow(columns: Column[]): RowView {
  const element = document.createElement("tr");
  const cells = columns.map((column, index): CellView => {
    const cell = document.createElement("td");
    const text = document.createTextNode("");
    // The first cell leads to what the row is about, if anything.
    const link = index === 0 ? document.createElement("a") : undefined;
    const inner = link ?? (isText(column) ? document.createElement("bdi") : undefined);
    inner?.append(text);
    cell.append(inner ?? text);
    return { element: cell, text, link };
  });
  element.append(...cells.map((cell) => cell.element));
  return { element, cells, at: -1 };
}

function setText(node: Text, text: string): void {
  if (node.data !== text) {
    node.data = text;
  }
}

function setAddress(link: HTMLAnchorElement, address: string | undefined): void {
  if (address === undefined) {
    link.removeAttribute("href");
  } else {
    link.setAttribute("href", address);
  }
}

function getSign(kind: string, value: Cell): string {
  if ((kind !== "profit" && kind !== "gain") || typeof value !== "number" || value === 0) {
    return "";
  }
  return value > 0 ? " gain-value" : " loss-value";
}
