import { createApp } from "vue";
import App from "./App.vue";
import { startClock } from "./clock";
import { language, setLanguage } from "./i18n";
import { meetServiceWorker } from "./phone/door";
import { router } from "./router";
import "./styles/tokens.css";
import "./styles/parts.css";

setLanguage(language.value);
startClock();
meetServiceWorker(router);
createApp(App).use(router).mount("#app");

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  // Without it the phone page still works while there is a network.
  navigator.serviceWorker.register("/service-worker.js").catch(() => undefined);
}
