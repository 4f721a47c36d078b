// "How it works": the run in front of students, told along the parts of the paper. A small print
// goes with the text, so that a step or a word is seen where it is read about.

import * as api from "./api";
import { byId, h } from "./dom";
import type { Still } from "./filmstrip";
import { firstStage, guidance, noise, part, states } from "./lessons";
import { Plot } from "./plot";
import type { Run } from "./run";
import type { Explanation } from "./types";

export class Explainer {
  private run: Run | null = null;
  private plot: Plot | null = null;
  private told = "";
  private known: Explanation | null = null;
  /** The noise of the step that is looked at; the print has none. */
  private sigma = Infinity;
  /** The token whose attention lies over the picture. */
  private chosen: number | null = null;
  private readonly root = byId("explained");
  private readonly small = h("img", { alt: "", hidden: true });
  private readonly map = h("img", { alt: "", hidden: true, class: "attention" });
  private readonly range = h("input", { type: "range", min: "0", max: "0", id: "explained-range" });
  private readonly says = h("output", { htmlFor: "explained-range" });

  /** `overlay`: lays a map over the print; `go`: shows another frame. */
  constructor(private readonly overlay: (url: string | null) => void, go: (index: number) => void) {
    this.range.addEventListener("input", () => go(Number(this.range.value)));
  }

  /** Begins with a run; one without the wish for it hides the section. */
  async begin(run: Run): Promise<void> {
    [this.run, this.plot, this.told, this.known, this.chosen, this.sigma] = [run, null, "", null, null, Infinity];
    this.choose(null, null);
    this.root.hidden = run.request.explain !== true;
    if (!this.root.hidden) {
      this.root.replaceChildren(title(), h("p", { class: "about" }, "Once it is drawn, this run is explained here."));
      await this.refresh();
    }
  }

  /** Asks the server for what there is by now. */
  async refresh(): Promise<void> {
    const run = this.run;
    if (!run || run.request.explain !== true) return;
    try {
      const known = await api.explanation(run.id);
      if (run === this.run) {
        this.known = known;
        this.draw();
      }
    } catch (error) {
      // Nothing is kept of every run, and while it is drawn there may be nothing yet. Whatever else
      // is wrong, the run itself tells of it.
      if (error instanceof api.ApiError && error.status === 404 && run.ended && !this.known && run === this.run)
        this.root.replaceChildren(title(), h("p", { class: "about" }, "The server kept nothing of this run to explain. Draw it again with “Show how it works”."));
    }
  }

  /** Marks the frame that is looked at, the `index`-th of `count`. */
  at({ step, sigma, url }: Still, index: number, count: number, said: string): void {
    if (this.root.hidden) return;
    this.sigma = sigma ?? 0;
    this.plot?.at(this.sigma);
    this.small.src = url;
    this.small.hidden = false;
    this.range.max = String(count - 1);
    this.range.value = String(index);
    this.range.setAttribute("aria-valuetext", said.replace("σ", "sigma"));
    this.says.textContent = said;
    for (const state of this.root.querySelectorAll<HTMLElement>("[data-step]"))
      state.classList.toggle("at", sigma !== null && Number(state.dataset["step"]) === step);
  }

  /** Lays a word's map over the prints, or takes it away. */
  private choose(index: number | null, url: string | null): void {
    this.chosen = index;
    this.map.hidden = url === null;
    if (url) this.map.src = url;
    this.overlay(url);
  }

  private draw(): void {
    const { run, known } = this;
    if (!run || !known) return;
    const key = `${known.tokens.length} ${known.sigmas.length} ${known.attention.length} ${run.state} ${run.pictures.length}`;
    if (key === this.told) return;
    this.told = key;
    this.plot = known.sigmas.length > 1 ? new Plot(known.sigmas) : null;
    this.plot?.at(this.sigma);
    this.choose(null, null);
    this.root.replaceChildren(
      title(),
      h("aside", { class: "beside", "aria-label": "The print at a step" },
        h("div", { class: "small-plate" }, this.small, this.map),
        h("label", { htmlFor: "explained-range", class: "visually-hidden" }, "Step"), this.range, this.says),
      h("div", { class: "lessons" },
        known.tokens.length > 0 && this.words(known),
        this.plot && noise(this.plot, run, known.sigmas),
        states(run),
        guidance(run),
        firstStage(run)),
    );
  }

  private words(known: Explanation): HTMLElement {
    const maps = new Map(known.attention.map(({ token, url }) => [token, url]));
    const chips = known.tokens.map((token, index) => {
      const url = maps.get(index);
      const text = token.text.replace(/<\/w>$/, "").trim() || token.text;
      const weight = Math.abs(token.weight - 1) > 1e-6 ? ` ×${token.weight.toPrecision(3)}` : "";
      const parts = [h("span", { class: "token-text" }, text + weight), h("span", { class: "token-id" }, String(token.id))];
      if (!url) return h("span", { class: "token" }, ...parts);
      const chip = h("button", { type: "button", class: "token", "aria-pressed": "false", onclick: () => {
        const off = this.chosen === index;
        this.choose(off ? null : index, off ? null : url);
        for (const other of this.root.querySelectorAll("button.token"))
          other.setAttribute("aria-pressed", String(other === chip && this.chosen !== null));
      } }, h("img", { src: url, alt: "", width: 48, height: 48, loading: "lazy" }), ...parts);
      return chip;
    });
    return part("The words", "conditioning, section 3.3",
      "The prompt is cut into tokens: words or pieces of them, each with a number from a fixed list. The text encoder τ turns them into vectors, and in its cross-attention layers the U-Net lets every place of the latents look at these vectors: queries come from the picture, keys and values from the words.",
      h("div", { class: "tokens" }, ...chips),
      maps.size > 0 && h("p", { class: "about" }, "The small maps show which places of the picture listened to a word: bright is much attention. Press one to lay it over the print."));
  }
}

function title(): HTMLElement {
  return h("h2", { id: "explained-title" }, "How it works");
}
