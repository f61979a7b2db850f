import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Relative addresses, so that the same build runs below any path of any static host.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: { target: "es2023", sourcemap: true, chunkSizeWarningLimit: 350 },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    // A warning of React is a fault of ours.
    onConsoleLog: (text, kind) => {
      if (kind === "stderr") throw new Error(`a test wrote to the console: ${text}`);
    },
  },
});
