/** Contents of photos and voice notes that wait for a network: in the phone's database, under the tap's key. */
const NAME = "shouwang";
const STORE = "files";
const LONG_SIDE = 2048;
const memory = new Map<string, Blob>();

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const ask = indexedDB.open(NAME, 1);
    ask.onupgradeneeded = () => ask.result.createObjectStore(STORE);
    ask.onsuccess = () => resolve(ask.result);
    ask.onerror = () => reject(ask.error ?? new Error("no database"));
  });
}

async function within<T>(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const ask = run(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(ask.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
    });
  } finally {
    database.close();
  }
}

/** Private windows have no database: then the content lasts as long as the tab. */
export async function keepFile(key: string, content: Blob): Promise<void> {
  try {
    await within("readwrite", (store) => store.put(content, key));
  } catch {
    memory.set(key, content);
  }
}

export async function fileOf(key: string): Promise<Blob | null> {
  const there = memory.get(key);
  if (there) return there;
  try {
    return ((await within("readonly", (store) => store.get(key))) as Blob | undefined) ?? null;
  } catch {
    return null;
  }
}

export async function dropFile(key: string): Promise<void> {
  memory.delete(key);
  try {
    await within("readwrite", (store) => store.delete(key));
  } catch {
    // nothing was kept
  }
}

/** Smaller, as JPEG, and without what the camera wrote into it (place, device); as it is where the browser cannot draw it. */
export async function slim(photo: Blob): Promise<Blob> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(photo);
  } catch {
    return photo;
  }
  const scale = Math.min(1, LONG_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return await new Promise((resolve) => canvas.toBlob((small) => resolve(small ?? photo), "image/jpeg", 0.82));
}
