// Pushes: shown with the level in words, receipts by the message's own token (docs/notification.md). Put before worker.js
// when it is built; `__WORDS__` are the words of the screens that it needs, in both languages.
const WORDS = self.__WORDS__;
const MARK = { I: "■", II: "▲", III: "◆", IV: "●" };
/** What the page tells it (the language), and receipts that have not gone out yet. Survives new versions of the shell. */
const DESK = "service-worker-desk";
const TRIES_MS = [0, 2000, 8000];

async function language() {
  const kept = await caches.open(DESK).then((desk) => desk.match("/language"));
  return kept ? kept.text() : "zh-CN";
}

/** What stands on the locked screen. Urgent ones stay until they are touched; `silent` and a vibration exclude each other. */
function shown(push, words, chinese) {
  const urgent = push.level === "I" || push.level === "II";
  const level = push.level ? `${MARK[push.level] ?? ""} ${words[`level.${push.level}`] ?? push.level}` : words["app.name"];
  const title = push.exercise ? `${words["exercise.word"]} · ${level}` : level;
  const options = {
    body: (chinese ? push.text_zh : push.text_en) || push.text_zh || push.text_en || "",
    tag: push.incident_id || push.id,
    renotify: !push.silent,
    requireInteraction: urgent && !push.silent,
    silent: Boolean(push.silent),
    icon: "/icon-192.png",
    badge: "/icon-192.png",
    lang: chinese ? "zh-CN" : "en",
    data: { id: push.id, token: push.token, incident: push.incident_id ?? null },
  };
  if (urgent && !push.silent) options.vibrate = [300, 120, 300, 120, 300];
  return { title, options };
}

async function tellPages(message) {
  for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) page.postMessage(message);
}

/** Written down first, so that one without a network goes out later with its own time. */
async function receipt(push, result) {
  if (!push.id || !push.token) return;
  const desk = await caches.open(DESK);
  const body = JSON.stringify({ id: push.id, token: push.token, result, at: new Date().toISOString() });
  await desk.put(`/receipt/${encodeURIComponent(push.id)}/${result}`, new Response(body));
  await sendReceipts();
}

async function sendReceipts() {
  for (const wait of TRIES_MS) {
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
    if (await sendOnce()) return;
  }
}

/** True when nothing is left to send. What the cloud refuses for good is dropped. */
async function sendOnce() {
  const desk = await caches.open(DESK);
  let clear = true;
  for (const key of await desk.keys()) {
    if (!new URL(key.url).pathname.startsWith("/receipt/")) continue;
    const one = await desk.match(key).then((kept) => kept?.json());
    if (!one) continue;
    try {
      const answer = await fetch(`/api/v1/notifications/${encodeURIComponent(one.id)}/receipts`, {
        method: "POST",
        credentials: "omit",
        headers: { "Content-Type": "application/json", "X-Receipt-Token": one.token, "Idempotency-Key": `${one.id}-${one.result}` },
        body: JSON.stringify({ result: one.result, at: one.at }),
      });
      if (!answer.ok && (answer.status >= 500 || answer.status === 429)) clear = false;
      else {
        await desk.delete(key);
        if (answer.ok) await tellPages({ kind: "receipt", id: one.id, result: one.result });
      }
    } catch {
      clear = false; // no network: kept
    }
  }
  return clear;
}

async function pushed(event) {
  let push;
  try {
    push = event.data.json();
  } catch {
    return; // not one of ours: a push service only hands on what our key signed
  }
  const chinese = (await language()) !== "en";
  const { title, options } = shown(push, WORDS[chinese ? "zh-CN" : "en"], chinese);
  await Promise.all([self.registration.showNotification(title, options), receipt(push, "delivered")]);
}

/** To the page that is open, else a new one: `/` knows where this person's work is. */
async function clicked(notification) {
  const { id, token, incident } = notification.data ?? {};
  notification.close();
  const seen = receipt({ id, token }, "seen");
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((one) => one.visibilityState === "visible") ?? pages[0];
  try {
    if (page) {
      page.postMessage({ kind: "open", incident });
      await page.focus();
    } else await self.clients.openWindow(incident ? `/?incident=${encodeURIComponent(incident)}` : "/");
  } finally {
    await seen;
  }
}

self.addEventListener("push", (event) => event.waitUntil(pushed(event)));
self.addEventListener("notificationclick", (event) => event.waitUntil(clicked(event.notification)));

// The push service gave this browser a new address: say so, as long as the session lasts.
self.addEventListener("pushsubscriptionchange", (event) => {
  const renew = async () => {
    const options = event.oldSubscription?.options;
    const fresh = event.newSubscription ?? (options ? await self.registration.pushManager.subscribe(options) : null);
    if (!fresh) return;
    await fetch("/api/v1/push/subscriptions", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify(fresh.toJSON()),
    });
  };
  event.waitUntil(renew());
});

self.addEventListener("message", (event) => {
  if (event.data?.kind === "language") event.waitUntil(caches.open(DESK).then((desk) => desk.put("/language", new Response(String(event.data.language)))));
  if (event.data?.kind === "receipts") event.waitUntil(sendOnce());
});
