import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Writes shell.json: every file that the service worker keeps, so that the console opens without a network. */
function listShell(): Plugin {
  return {
    name: "list-shell",
    generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter((name) =>
        name.startsWith("assets/") && !name.endsWith(".map")
      );
      const fixed = ["icon.svg", "manifest.webmanifest"];
      this.emitFile({ type: "asset", fileName: "shell.json", source: JSON.stringify([...files, ...fixed]) });
    },
  };
}

// Relative addresses, so that the same build runs below any path of any static host.
export default defineConfig({
  base: "./",
  plugins: [react(), listShell()],
  build: {
    target: "es2023",
    sourcemap: true,
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      input: { index: "index.html", worker: "worker/shell.ts" },
      // The service worker's name stays: browsers look there for its next version.
      output: { entryFileNames: ({ name }) => name === "worker" ? "worker.js" : "assets/[name]-[hash].js" },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    // A warning of React is a fault of ours.
    onConsoleLog: (text, kind) => {
      if (kind === "stderr") throw new Error(`a test wrote to the console: ${text}`);
    },
  },
});
