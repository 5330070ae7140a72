import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import vue from "@vitejs/plugin-vue";
import { defineConfig, type Plugin } from "vite";

const WORDS_OF_PUSHES = /^(app\.name|exercise\.word|level\.)/;

/** Puts the names of the built files into the hand-written service worker, so that the app shell opens without a network. */
function serviceWorker(): Plugin {
  const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");
  const words = (language: string): Record<string, string> =>
    Object.fromEntries(Object.entries(JSON.parse(read(`./src/locales/${language}.json`)) as Record<string, string>).filter(([key]) => WORDS_OF_PUSHES.test(key)));
  return {
    name: "shouwang-service-worker",
    apply: "build",
    generateBundle(_options, bundle) {
      const shell = Object.keys(bundle)
        .filter((name) => /\.(js|css)$/.test(name) && !/map|maplibre/i.test(name))
        .map((name) => `/${name}`)
        .sort();
      const version = createHash("sha256").update(shell.join()).digest("hex").slice(0, 12);
      const text = `${read("./src/service-worker/push.js")}\n${read("./src/service-worker/worker.js")}`
        .replace("self.__WORDS__", JSON.stringify({ "zh-CN": words("zh-CN"), en: words("en") }))
        .replace("self.__SHELL__", JSON.stringify(["/", "/manifest.webmanifest", "/icon.svg", "/theme.js", ...shell]))
        .replace("self.__VERSION__", JSON.stringify(version));
      this.emitFile({ type: "asset", fileName: "service-worker.js", source: text });
    },
  };
}

const cloud = process.env.SHOUWANG_CLOUD ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [vue(), serviceWorker()],
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 1100, reportCompressedSize: true },
  server: { proxy: { "/api": { target: cloud, changeOrigin: false } } },
});
