/** Where the service worker and the page meet: which incident a touched notification opens, which receipt has gone out. */
import { watch } from "vue";
import type { Router } from "vue-router";
import { language } from "../i18n";

interface FromWorker {
  kind?: "open" | "receipt";
  incident?: string | null;
  id?: string;
  result?: string;
}

type Heard = (id: string, result: string) => void;
const hearers = new Set<Heard>();

/** Told of each receipt that the cloud has taken; the way back ends it. */
export function onReceipt(heard: Heard): () => void {
  hearers.add(heard);
  return () => hearers.delete(heard);
}

function tell(message: object): void {
  void navigator.serviceWorker.ready.then((registration) => registration.active?.postMessage(message));
}

/** Once, when the app begins: the worker learns the language, and receipts that waited for a network go out. */
export function meetServiceWorker(router: Router): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.addEventListener("message", (event: MessageEvent<FromWorker>) => {
    const said = event.data;
    if (said.kind === "open") void router.push(said.incident ? { path: "/", query: { incident: said.incident } } : "/");
    if (said.kind === "receipt" && said.id && said.result) for (const heard of hearers) heard(said.id, said.result);
  });
  watch(language, (now) => tell({ kind: "language", language: now }), { immediate: true });
  tell({ kind: "receipts" });
  window.addEventListener("online", () => tell({ kind: "receipts" }));
}
