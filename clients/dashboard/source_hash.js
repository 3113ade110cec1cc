// The checksum of everything that the built files are made from. It stands beside them, so that a test without Node.js
// (tests/dashboard/test_assets.py) sees whether they were built from what is in the repository.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const CLIENTS = fileURLToPath(new URL("..", import.meta.url));

/** Files and folders below `clients/`; the generated schemas are not part of the dashboard. */
const SOURCES = [
  "dashboard/index.html",
  "dashboard/package-lock.json",
  "dashboard/source_hash.js",
  "dashboard/src",
  "dashboard/tsconfig.json",
  "dashboard/vite.config.js",
  "typescript/src",
];
const LEFT_OUT = "typescript/src/generated";

function listFiles(path) {
  if (path === LEFT_OUT) {
    return [];
  }
  return statSync(CLIENTS + path).isDirectory()
    ? readdirSync(CLIENTS + path).flatMap((name) => listFiles(`${path}/${name}`))
    : [path];
}

const digest = (content) => createHash("sha256").update(content).digest("hex");

export function hashSources() {
  const files = SOURCES.flatMap(listFiles).sort();
  return digest(files.map((path) => `${digest(readFileSync(CLIENTS + path))} ${path}\n`).join(""));
}

/** Writes the checksum beside the built files. */
export function sourceHash() {
  return {
    name: "source-hash",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "source.sha256", source: `${hashSources()}\n` });
    },
  };
}
