// One picture of the gallery, large, with all that it was made with.

import * as actions from "./actions";
import * as api from "./api";
import { alarm, byId, h, notice, sentence } from "./dom";
import type { GenerateRequest, Kept } from "./types";

interface Around {
  neighbour(of: Kept, by: number): Kept | undefined;
  removed(picture: Kept): void;
  left(at: Kept): void;
}

class Viewer {
  private around: Around | null = null;
  private picture: Kept | null = null;
  private readonly dialog = byId<HTMLDialogElement>("viewer");

  constructor() {
    this.dialog.addEventListener("close", () => {
      if (this.picture) this.around?.left(this.picture);
    });
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.go(-1);
      if (event.key === "ArrowRight") this.go(1);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(picture: Kept, around: Around): void {
    this.around = around;
    this.show(picture);
    this.dialog.showModal();
  }

  private go(by: number): void {
    const next = this.picture && this.around?.neighbour(this.picture, by);
    if (next) this.show(next);
  }

  private show(picture: Kept): void {
    this.picture = picture;
    const name = title(picture);
    const move = (by: number, text: string, label: string) =>
      h("button", {
        type: "button", class: "quiet", "aria-label": label, onclick: () => this.go(by),
        disabled: !this.around?.neighbour(picture, by),
      }, text);
    const image = h("img", { src: picture.url, alt: `Picture of: ${name}`, class: "viewer-image", width: picture.width, height: picture.height });
    image.style.setProperty("--ratio", String(picture.width / picture.height));
    this.dialog.replaceChildren(
      h("div", { class: "dialog-head" },
        h("h2", { id: "viewer-title" }, name),
        h("span", { class: "tools" }, move(-1, "←", "Newer picture"), move(1, "→", "Older picture"),
          h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => this.dialog.close() }, "×"))),
      h("div", { class: "viewer-body" },
        h("div", { class: "viewer-paper" }, image),
        h("div", { class: "viewer-side" }, facts(picture),
          h("div", { class: "actions", role: "group", "aria-label": "This picture" },
            ...actions.buttons(picture, () => this.dialog.close()),
            this.remover(picture)))),
    );
  }

  /** Two presses delete: the first one only asks. */
  private remover(picture: Kept): HTMLButtonElement {
    let asked = false;
    const button = h("button", { type: "button", class: "danger", "data-action": "delete", onclick: async () => {
      if (!asked) {
        asked = true;
        button.textContent = "Really delete?";
        return;
      }
      try {
        await api.remove(picture.id);
        const { around } = this;
        this.picture = null;
        this.dialog.close();
        around?.removed(picture);
        notice("The picture is deleted.");
      } catch (error) {
        this.dialog.close();
        alarm(sentence(error));
      }
    }, onblur: () => {
      asked = false;
      button.textContent = "Delete";
    } }, "Delete");
    return button;
  }
}

/** What a picture is called. */
export function title(picture: { request: GenerateRequest }): string {
  const { prompt, class: kind, upscale } = picture.request;
  return prompt || kind || (upscale ? "An enlarged picture" : "A picture");
}

/** What a picture was made with, as a list. */
export function facts(picture: Kept): HTMLElement {
  const list = h("dl", { class: "facts" });
  for (const [name, value] of told(picture.request, picture)) list.append(h("dt", {}, name), h("dd", {}, value));
  return list;
}

/** Names and values of a request in the order in which one asks for them. */
export function told(request: GenerateRequest, picture: Kept | { width: number; height: number; seed: unknown }): [string, string][] {
  const skip = new Set(["prompt", "seed", "width", "height", "count", "explain", "init", "mask"]);
  const facts: [string, string][] = [
    ["seed", String(picture.seed)],
    ["size", `${picture.width} × ${picture.height}`],
  ];
  for (const [key, value] of Object.entries(request)) {
    // Enlarging takes no steps and follows no prompt.
    if (request.upscale && key !== "model") continue;
    if (skip.has(key) || value === null || value === undefined || value === "") continue;
    facts.push([key.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)]);
  }
  if ("created" in picture) facts.push(["drawn", new Date(picture.created).toLocaleString()]);
  return facts;
}

export const viewer = new Viewer();
