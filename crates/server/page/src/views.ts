// The three sheets of the page and the address by which each is found again.

import { byId } from "./dom";

export type View = "make" | "gallery" | "grid";
export const VIEWS: readonly View[] = ["make", "gallery", "grid"];

const listeners = new Set<(view: View) => void>();

/** Who wants to know which sheet is shown. */
export function listen(to: (view: View) => void): void {
  listeners.add(to);
}

export function current(): View {
  const name = location.hash.slice(1);
  return VIEWS.find((view) => view === name) ?? "make";
}

/** Goes to a sheet. */
export function show(view: View): void {
  if (current() !== view) location.hash = view;
  else turn();
}

function turn(): void {
  const now = current();
  for (const view of VIEWS) byId(`view-${view}`).hidden = view !== now;
  for (const link of document.querySelectorAll<HTMLElement>("[data-view]")) {
    if (link.dataset["view"] === now) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // Keys must not fall into a sheet that has gone.
  const at = document.activeElement;
  if (begun && (!at || at === document.body || at.closest("[hidden]"))) byId("main").focus({ preventScroll: true });
  begun = true;
  for (const tell of listeners) tell(now);
}
let begun = false;

/** Shows the sheet of the address, now and when it changes. */
export function begin(): void {
  window.addEventListener("hashchange", () => {
    // The link for skipping is an address, too, but of no sheet.
    if (location.hash !== "#main") turn();
  });
  turn();
}
