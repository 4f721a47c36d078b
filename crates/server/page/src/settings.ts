// What the page remembers: settings, never pictures and never the token.

const PREFIX = "aquatint.";

/** What was kept under a name, or the default where there is nothing or nothing that can be read. */
export function recall<T>(name: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

/** Keeps something. Without storage, as in some private windows, the page works all the same. */
export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Nothing to do: it is a comfort, not a promise.
  }
}
