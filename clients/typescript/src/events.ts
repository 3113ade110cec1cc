/** One server-sent event. */
export interface ServerEvent {
  /** Name of the event; `message` if the server named none. */
  type: string;
  data: string;
  /** Id of the latest event that had one; empty before. */
  id: string;
}

/**
 * Reads the text of an event stream, in pieces of any length (WHATWG HTML, "Server-sent events").
 *
 * Comments, such as heartbeats, give no event.
 */
export class EventParser {
  #rest = "";
  #isFirst = true;
  #type = "";
  #data: string[] = [];
  #id = "";
  #retry: number | undefined;

  /** Time before the next connection that the server asks for, milliseconds; undefined if it named none. */
  get retry(): number | undefined {
    return this.#retry;
  }

  /** Return the events that are complete with this piece. */
  push(text: string): ServerEvent[] {
    this.#rest += text;
    if (this.#isFirst && this.#rest.length > 0) {
      this.#rest = this.#rest.replace(/^\uFEFF/, "");
      this.#isFirst = false;
    }
    const events: ServerEvent[] = [];
    const lines = /\r\n|\n|\r(?!$)/g; // a carriage return at the end may be half of a line break
    let start = 0;
    for (let found = lines.exec(this.#rest); found; found = lines.exec(this.#rest)) {
      const event = this.#readLine(this.#rest.slice(start, found.index));
      start = lines.lastIndex;
      if (event) {
        events.push(event);
      }
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  #readLine(line: string): ServerEvent | undefined {
    if (line === "") {
      return this.#finish();
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") {
      this.#type = value;
    } else if (name === "data") {
      this.#data.push(value);
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) {
      this.#retry = Number(value);
    }
    return undefined;
  }

  #finish(): ServerEvent | undefined {
    const data = this.#data;
    const type = this.#type || "message";
    this.#data = [];
    this.#type = "";
    return data.length > 0 ? { type, data: data.join("\n"), id: this.#id } : undefined;
  }
}
