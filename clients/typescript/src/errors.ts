/** Root of all errors of this package. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** The server was not reached, or did not answer in time. */
export class ConnectionFailed extends ClientError {
  override name = "ConnectionFailed";

  constructor(
    readonly url: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`${url}: ${reason}`, options);
  }
}

function readProblem(body: string): { detail?: string; remedy?: string } {
  try {
    const { detail, remedy } = JSON.parse(body) ?? {};
    return { ...(typeof detail === "string" && { detail }), ...(typeof remedy === "string" && { remedy }) };
  } catch {
    return {};
  }
}

/** The server answered, but not with what was asked for. */
export class RequestFailed extends ClientError {
  override name = "RequestFailed";

  constructor(
    readonly url: string,
    readonly status: number,
    readonly body: string,
  ) {
    const { detail, remedy } = readProblem(body);
    super(`${url}: HTTP ${status} ${[detail ?? body.slice(0, 200), remedy ?? ""].join(" ")}`.trim());
    this.detail = detail;
    this.remedy = remedy;
  }

  /** Why the server refused; undefined if it did not say it as `application/problem+json`. */
  readonly detail: string | undefined;

  /** What to do instead; undefined if the server did not say. */
  readonly remedy: string | undefined;

  /** Whether the same request may succeed later. */
  get isTemporary(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

/** One value that is not what the schema says. */
export interface Issue {
  /** Keys and indexes from the root, such as `["portfolio", "open_positions", "3"]`. */
  path: Array<string | number>;
  message: string;
}

/** The text is not JSON, or the JSON is not a state. */
export class InvalidState extends ClientError {
  override name = "InvalidState";

  constructor(
    readonly issues: Issue[],
    options?: ErrorOptions,
  ) {
    const first = issues[0];
    const where = first && first.path.length > 0 ? `${first.path.join(".")}: ` : "";
    const others = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
    super(`not a state: ${where}${first?.message ?? "unknown reason"}${others}`, options);
  }
}

/** An operation of a patch does not fit the document: the patch was made for another one. */
export class PatchFailed extends ClientError {
  override name = "PatchFailed";

  constructor(
    readonly operation: number,
    readonly path: string,
    readonly reason: string,
  ) {
    super(`operation ${operation} at ${path || "the root"}: ${reason}`);
  }
}

/** Several snapshots in a row did not lead on to the changes that the server sends. */
export class ResyncFailed extends ClientError {
  override name = "ResyncFailed";

  constructor(
    readonly url: string,
    readonly gaps: number,
  ) {
    super(`${url}: ${gaps} gaps in a row`);
  }
}
