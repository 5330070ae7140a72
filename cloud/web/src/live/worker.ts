/** The shared worker: holds the one stream of this browser. It ends with the last tab. */
import { Hub, type FromHub, type ToHub } from "./hub";

interface WorkerScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const hub = new Hub();

(self as unknown as WorkerScope).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  const tab = { postMessage: (message: FromHub) => port.postMessage(message) };
  port.onmessage = (message: MessageEvent<ToHub>) => hub.hear(tab, message.data);
};
