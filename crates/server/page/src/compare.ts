// Two pictures side by side, or one over the other with a slider between them.

import { announce, byId, h } from "./dom";
import type { Whole } from "./actions";
import { title } from "./viewer";

let pair: Whole[] = [];
const listeners = new Set<() => void>();

export function listen(to: () => void): void {
  listeners.add(to);
}

export const picked = (id: string) => pair.some((picture) => picture.id === id);

/** Takes a picture into the pair or out of it; a third one takes the place of the first. */
export function toggle(picture: Whole): void {
  pair = picked(picture.id) ? pair.filter(({ id }) => id !== picture.id) : [...pair, picture].slice(-2);
  tell();
}

function tell(): void {
  const text = pair.length === 2 ? "Two pictures are chosen." : pair.length === 1 ? "One picture is chosen: choose another one to compare it with." : "";
  byId("picked").hidden = pair.length === 0;
  byId("picked-says").textContent = text;
  byId<HTMLButtonElement>("picked-compare").disabled = pair.length < 2;
  announce(text || "No picture is chosen.");
  for (const listener of listeners) listener();
}

export function begin(): void {
  byId("picked-compare").addEventListener("click", open);
  byId("picked-clear").addEventListener("click", () => {
    pair = [];
    tell();
  });
  // Closed, it gives back the keys to whoever opened it, which the browser does for us.
  byId<HTMLDialogElement>("compare").addEventListener("click", (event) => {
    if (event.target === event.currentTarget) byId<HTMLDialogElement>("compare").close();
  });
}

/** Opens the pair, if there is one. */
export function open(): void {
  const [left, right] = pair;
  if (!left || !right) return;
  const dialog = byId<HTMLDialogElement>("compare");
  const ratio = String(left.width / left.height);
  const image = (picture: Whole, side: string) =>
    h("img", { src: picture.url, alt: `${side}: ${title(picture)}, seed ${picture.seed}` });
  const over = h("div", { class: "compare-over" }, image(left, "Left"), image(right, "Right"), h("span", { class: "compare-edge", "aria-hidden": "true" }));
  over.style.setProperty("--ratio", ratio);
  const range = h("input", { type: "range", id: "compare-range", min: "0", max: "100", value: "50" });
  const move = () => {
    over.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} percent left picture`);
  };
  range.addEventListener("input", move);
  // The pictures themselves can be dragged over, too.
  over.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons !== 1) return;
    const box = over.getBoundingClientRect();
    range.value = String(Math.round(((event.clientX - box.left) / box.width) * 100));
    move();
  });
  move();
  const beside = h("div", { class: "compare-beside", hidden: true }, image(left, "Left"), image(right, "Right"));
  const slider = h("div", { class: "compare-slider" }, over,
    h("label", { htmlFor: "compare-range", class: "visually-hidden" }, "How much of the left picture is shown"), range);
  const mode = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const both = beside.hidden;
    [beside.hidden, slider.hidden] = [!both, both];
    mode.setAttribute("aria-pressed", String(both));
  } }, "Side by side");
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "compare-title" }, "Compare"),
      h("span", { class: "tools" }, mode,
        h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×"))),
    slider, beside, differences(left, right));
  dialog.showModal();
  range.focus();
}

/** Only what differs: everything else is the same and says nothing. */
function differences(left: Whole, right: Whole): HTMLElement {
  const of = (picture: Whole): Record<string, unknown> =>
    ({ ...picture.request, seed: picture.seed, size: `${picture.width} × ${picture.height}` });
  const [a, b] = [of(left), of(right)];
  const skip = new Set(["width", "height", "count", "explain"]);
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !skip.has(key));
  const text = (value: unknown) =>
    value === undefined || value === null || value === "" ? "—" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const rows = keys.filter((key) => text(a[key]) !== text(b[key]));
  if (!rows.length) return h("p", { class: "about" }, "Both were made with the same settings.");
  return h("div", { class: "compare-table", tabIndex: 0, role: "region", "aria-label": "What differs" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What differs"), h("th", { scope: "col" }, "Left"), h("th", { scope: "col" }, "Right"))),
    h("tbody", {}, ...rows.map((key) => h("tr", {}, h("th", { scope: "row" }, key.replaceAll("_", " ")), h("td", {}, text(a[key])), h("td", {}, text(b[key])))))));
}
