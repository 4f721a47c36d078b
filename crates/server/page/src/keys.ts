// Keys for everything that is done often, and the sheet that tells them.

import * as compare from "./compare";
import { byId, h } from "./dom";
import * as gridview from "./gridview";
import * as make from "./make";
import * as stage from "./stage";
import { show, VIEWS } from "./views";

const KEYS: [keys: string, what: string][] = [
  ["Ctrl + Enter", "generate, from anywhere on the page"],
  ["Esc", "close what is open; otherwise cancel the run"],
  ["1, 2, 3", "make, gallery, grid"],
  ["P", "to the prompt"],
  ["/", "search the gallery"],
  [", and .", "one step back or on in the states"],
  ["C", "compare the two chosen pictures"],
  ["← and →", "in an open picture: the one before and after"],
  ["Arrows, space, E, + and −", "in the mask: move the brush, paint, erase, size"],
  ["?", "this list"],
];

export function begin(): void {
  byId("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      show("make");
      void make.go();
      return;
    }
    // An open dialog has its own keys, of which Esc closes it.
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      // A list closes by it, and a search empties.
      if (event.target instanceof HTMLSelectElement || (event.target as HTMLInputElement).type === "search") return;
      if (!gridview.stop()) void make.cancel();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    const act = single(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Whether letters belong to a field. */
function writing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["range", "checkbox", "radio", "button"].includes(target.type);
  // A list jumps to what begins with the letter.
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

function single(key: string): (() => void) | null {
  const view = VIEWS[Number(key) - 1];
  if (view) return () => show(view);
  switch (key) {
    case "?": return help;
    case "p": return () => {
      show("make");
      byId("prompt").focus();
    };
    case "/": return () => {
      show("gallery");
      byId("search").focus();
    };
    case ",": return () => stage.strip.move(-1);
    case ".": return () => stage.strip.move(1);
    case "c": return compare.open;
    default: return null;
  }
}

function help(): void {
  const dialog = byId<HTMLDialogElement>("keys");
  const list = h("dl", { class: "facts" });
  for (const [keys, what] of KEYS) list.append(h("dt", {}, keys), h("dd", {}, what));
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "keys-title" }, "Keys"),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    list,
    h("p", { class: "about" }, "Letters work where nothing is being written. Tab goes through everything, in the order of the page."));
  dialog.showModal();
}
