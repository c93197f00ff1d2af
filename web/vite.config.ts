import { defineConfig } from "vite";

export default defineConfig({
  // The page works in any folder of any host.
  base: "./",
  build: {
    target: "es2022",
    assetsDir: "code",
    // Nothing inline: the page's policy allows only its own files.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 1000,
  },
  // LiteRT loads its runtime with importScripts, which modules do not support.
  worker: { format: "iife" },
});
