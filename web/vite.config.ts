import { defineConfig } from "vite";

export default defineConfig({
  // Works in any folder of any host.
  base: "./",
  build: {
    target: "es2022",
    assetsDir: "code",
    // Nothing inline: the page's policy admits its own files alone.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 1000,
  },
  // LiteRT loads its runtime by importScripts, which modules lack.
  worker: { format: "iife" },
});
