// Reads state files and prints as JSON, for each, its issues, and whether the parsed state has everything in the file:
// `node files.mjs FILE...`
import { readFileSync } from "node:fs";

import { StateSchema } from "../dist/index.js";

/** Whether everything in the tree is in the parsed data, which may have more keys. */
function isKept(tree, data) {
  if (typeof tree !== "object" || tree === null) {
    return Object.is(tree, data);
  }
  return (
    typeof data === "object" &&
    data !== null &&
    Array.isArray(tree) === Array.isArray(data) &&
    (!Array.isArray(tree) || tree.length === data.length) &&
    Object.keys(tree).every((key) => Object.hasOwn(data, key) && isKept(tree[key], data[key]))
  );
}

const report = {};
for (const path of process.argv.slice(2)) {
  const tree = JSON.parse(readFileSync(path, "utf8"));
  const result = StateSchema.safeParse(tree);
  report[path] = {
    issues: result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
    kept: result.success && isKept(tree, result.data),
  };
}
console.log(JSON.stringify(report));
