// The few helpers that stand in for a framework: finding, making and telling.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** An element of index.html. A missing one is a bug in the page, so it says which. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/**
 * Makes an element. `class` is its class, `onclick` and the like are listeners, what the element
 * has as a property is set as one, and anything else is an attribute; `false` leaves one out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), value as EventListener);
    else if (key === "class") made.className = String(value);
    else if (key in made && !key.includes("-")) (made as unknown as Props)[key] = value;
    else if (value !== false) made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child): child is Node | string => !!child || child === ""));
  return made;
}

/** The same for drawings, which live in another namespace. */
export function svg(tag: string, props: Props = {}, ...children: (SVGElement | string)[]): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Says something to those who do not see the page, when they are done with what they listen to. */
export function announce(text: string): void {
  byId("polite").textContent = text;
}

/** Shows and says one sentence about what went wrong; nothing takes it away. */
export function alarm(text: string): void {
  byId("alarm-text").textContent = text;
  byId("alarm").hidden = text === "";
}

/** Shows and says in passing what was done. */
export function notice(text: string): void {
  announce(text);
  const box = byId("notice");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (box.hidden = true), 5000);
}
let noticeTimer: ReturnType<typeof setTimeout> | undefined;

/** The bytes of a blob as a `data:` address, which is how pictures travel in a request. */
export function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error("The picture could not be read."));
    reader.readAsDataURL(blob);
  });
}

/** A picture that is ready to be drawn, or a sentence why not. */
export function loadImage(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("This is not a picture that the browser can show."));
    image.src = url;
  });
}

/** Hands a file to the person. */
export function download(url: string, name: string): void {
  h("a", { href: url, download: name }).click();
}

/** A canvas as the bytes of a PNG. */
export function pngOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be written."))), "image/png"),
  );
}

/** Waits, unless it is called off. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("called off", "AbortError"));
    }, { once: true });
  });
}

/** Whether someone merely called it off, which is no error. */
export function calledOff(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** What to tell of an error. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** σ with as many digits as one reads. */
export function sigmaText(sigma: number): string {
  return sigma === 0 ? "0" : sigma >= 100 ? sigma.toFixed(0) : sigma.toPrecision(3);
}
