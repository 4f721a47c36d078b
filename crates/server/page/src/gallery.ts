// Everything that was ever printed here, newest first, kept by the server.

import * as api from "./api";
import * as compare from "./compare";
import { byId, h, sentence } from "./dom";
import type { Kept } from "./types";
import { title, viewer } from "./viewer";
import * as views from "./views";

const PAGE = 60;

let pictures: Kept[] = [];
let next: string | null = null;
let search = "";
/** What was searched for when the list was made. */
let shown: string | null = null;
/** Counts the searches, so that an answer to an old one is not taken for one to the new. */
let round = 0;
let loading = false;

const list = byId("gallery-list");
const more = byId<HTMLButtonElement>("gallery-more");

export function begin(): void {
  const field = byId<HTMLInputElement>("search");
  let timer: ReturnType<typeof setTimeout> | undefined;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      search = field.value.trim();
      void reload();
    }, 250);
  });
  more.addEventListener("click", () => void load());
  // The end of the list comes near: the next page is fetched before anyone sees it missing.
  new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting) && !more.hidden) void load();
  }, { rootMargin: "600px" }).observe(more);
  views.listen((view) => {
    if (view === "gallery") void reload();
  });
  list.addEventListener("keydown", arrows);
  compare.listen(marks);
}

async function reload(): Promise<void> {
  round++;
  loading = false;
  const answer = await ask(null);
  if (!answer) return;
  // Nothing new: the list stays as it is, and where it is scrolled to.
  const ids = (list: Kept[]) => list.map(({ id }) => id).join();
  if (shown === search && pictures.length && ids(pictures.slice(0, answer.pictures.length)) === ids(answer.pictures)) return;
  shown = search;
  [pictures, next] = [answer.pictures, answer.next];
  list.replaceChildren(...pictures.map(tile));
  tell();
}

async function load(): Promise<void> {
  if (loading || !next) return;
  const answer = await ask(next);
  if (!answer) return;
  const known = new Set(pictures.map(({ id }) => id));
  const fresh = answer.pictures.filter(({ id }) => !known.has(id));
  pictures.push(...fresh);
  next = answer.next;
  list.append(...fresh.map(tile));
  tell();
}

async function ask(before: string | null) {
  const mine = round;
  loading = true;
  try {
    const answer = await api.pictures(search, before, PAGE);
    return mine === round ? answer : null;
  } catch (error) {
    byId("gallery-says").textContent = sentence(error);
    return null;
  } finally {
    if (mine === round) loading = false;
  }
}

function tell(): void {
  more.hidden = next === null;
  const count = `${pictures.length}${next ? " or more" : ""} ${pictures.length === 1 ? "picture" : "pictures"}`;
  byId("gallery-says").textContent = pictures.length ? count
    : search ? `No prompt has “${search}”.` : "Nothing here yet: what is drawn is kept here.";
  byId("gallery-says").setAttribute("role", "status");
  marks();
}

function tile(picture: Kept): HTMLElement {
  const name = title(picture);
  return h("li", { class: "tile", "data-id": picture.id },
    h("button", { type: "button", class: "tile-open", "aria-label": `Open: ${name}, seed ${picture.seed}`, onclick: () => open(picture) },
      h("img", { src: picture.url, alt: "", loading: "lazy", decoding: "async", width: picture.width, height: picture.height })),
    h("p", { class: "tile-name", title: name }, name),
    h("label", { class: "tile-pick" },
      h("input", { type: "checkbox", "data-pick": picture.id, "aria-label": `Compare: ${name}, seed ${picture.seed}`, onchange: () => compare.toggle(picture) }), "compare"));
}

function open(picture: Kept): void {
  viewer.open(picture, {
    neighbour: (of, by) => pictures[pictures.findIndex(({ id }) => id === of.id) + by],
    removed: (gone) => {
      pictures = pictures.filter(({ id }) => id !== gone.id);
      const line = list.querySelector<HTMLElement>(`[data-id="${CSS.escape(gone.id)}"]`);
      const beside = (line?.nextElementSibling ?? line?.previousElementSibling)?.querySelector("button");
      line?.remove();
      (beside ?? byId("search")).focus();
      tell();
    },
    left: (at) => list.querySelector<HTMLElement>(`[data-id="${CSS.escape(at.id)}"] button`)?.focus(),
  });
}

/** Ticks what is picked for comparison, wherever it was picked. */
function marks(): void {
  for (const box of list.querySelectorAll<HTMLInputElement>("[data-pick]"))
    box.checked = compare.picked(box.dataset["pick"] ?? "");
}

/** Arrow keys go from tile to tile as the eye does; Tab goes on as everywhere. */
function arrows(event: KeyboardEvent): void {
  const tiles = [...list.querySelectorAll<HTMLElement>(".tile-open")];
  const at = tiles.indexOf(event.target as HTMLElement);
  if (at < 0) return;
  const top = tiles[0]?.getBoundingClientRect().top;
  const columns = Math.max(1, tiles.findIndex((tile) => tile.getBoundingClientRect().top !== top));
  const moves: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const by = moves[event.key];
  const to = by === undefined ? undefined : tiles[at + by];
  if (!to) return;
  event.preventDefault();
  to.focus();
}
