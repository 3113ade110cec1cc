import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

import { sourceHash } from "./source_hash.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: "./",
  plugins: [sourceHash()],
  resolve: {
    alias: [
      { find: "@tradeexecutor/client", replacement: at("../typescript/src/index.ts") },
      { find: /^zod$/, replacement: at("node_modules/zod/index.js") },
    ],
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: process.env.DASHBOARD_OUT ?? at("../../src/tradeexecutor/web/dashboard/assets"),
    emptyOutDir: true,
    assetsDir: "files",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/v1": "http://127.0.0.1:3456", "/strategies": "http://127.0.0.1:3456" } },
});
