// The frames of a run as a strip that can be scrubbed, while it grows and afterwards.

import { byId, h, sigmaText } from "./dom";

/** One frame: a state of the plate. */
export interface Still {
  url: string;
  step: number;
  /** Nothing for the finished picture. */
  sigma: number | null;
}

/** What a frame is called. */
export function frameText({ step, sigma }: Still): string {
  return sigma === null ? "the print" : `step ${step}, σ ${sigmaText(sigma)}`;
}

/** The most thumbnails; where there are more steps, some are left out of the strip, never of the slider. */
const THUMBNAILS = 120;
const PLAY_MS = 120;

export class Filmstrip {
  private stills: Still[] = [];
  private at = -1;
  /** Whether the newest frame is shown as it comes. */
  private following = true;
  private playing: ReturnType<typeof setInterval> | undefined;
  private readonly range = byId<HTMLInputElement>("film-range");
  private readonly strip = byId("film-strip");
  private readonly button = byId<HTMLButtonElement>("film-play");

  constructor(private readonly show: (still: Still, index: number, count: number) => void) {
    this.range.addEventListener("input", () => this.go(Number(this.range.value)));
    this.button.addEventListener("click", () => this.play(this.playing === undefined));
    const point = (event: PointerEvent) => {
      const frame = (event.target as Element).closest<HTMLElement>("[data-index]");
      if (frame) this.go(Number(frame.dataset["index"]));
    };
    this.strip.addEventListener("click", (event) => point(event as PointerEvent));
    this.strip.addEventListener("pointermove", (event) => {
      // A pressed mouse scrubs; a finger scrolls the strip, as it does everywhere.
      if (event.pointerType === "mouse" && event.buttons === 1) point(event);
    });
  }

  /** Shows other frames than so far. */
  set(stills: Still[]): void {
    this.play(false);
    this.following = true;
    this.at = -1;
    this.stills = [];
    this.strip.replaceChildren();
    this.update(stills);
  }

  /** Takes frames over that begin with those it has; a changed length builds the strip on. */
  update(stills: Still[]): void {
    const known = this.stills.length;
    this.stills = stills;
    byId("film").hidden = stills.length < 2;
    this.range.max = String(Math.max(0, stills.length - 1));
    const last = stills.at(-1);
    const every = Math.max(1, Math.ceil((last?.step ?? 0) / THUMBNAILS));
    for (let i = known; i < stills.length; i++) {
      const still = stills[i];
      if (!still || (still.sigma !== null && i % every !== 0)) continue;
      this.strip.append(
        h("div", { class: still.sigma === null ? "frame final" : "frame", "data-index": i },
          h("img", { src: still.url, alt: "", loading: "lazy", decoding: "async", draggable: false, width: 56, height: 56 }),
          h("span", {}, still.sigma === null ? "print" : String(still.step))),
      );
    }
    if (this.following && this.playing === undefined && stills.length) this.select(stills.length - 1);
    else this.describe();
  }

  /** Goes to a frame by hand: from then on new ones do not take the view away, but for the last. */
  go(index: number): void {
    this.play(false);
    const within = Math.max(0, Math.min(this.stills.length - 1, index));
    this.following = within === this.stills.length - 1;
    this.select(within);
  }

  /** One frame on or back. */
  move(by: number): void {
    this.go(this.at + by);
  }

  private play(on: boolean): void {
    clearInterval(this.playing);
    this.playing = undefined;
    this.button.setAttribute("aria-pressed", String(on));
    this.button.textContent = on ? "Pause" : "Play";
    if (!on) return;
    let next = this.at >= this.stills.length - 1 ? 0 : this.at + 1;
    this.playing = setInterval(() => {
      this.select(next++);
      if (next >= this.stills.length) this.play(false);
    }, PLAY_MS);
  }

  private select(index: number): void {
    const still = this.stills[index];
    if (!still) return;
    this.at = index;
    this.range.value = String(index);
    let marked: HTMLElement | null = null;
    for (const frame of this.strip.querySelectorAll<HTMLElement>("[data-index]")) {
      const here = Number(frame.dataset["index"]) <= index;
      frame.classList.remove("at");
      if (here) marked = frame;
    }
    marked?.classList.add("at");
    // Only the strip is scrolled: `scrollIntoView` would move the page as well.
    if (marked) this.strip.scrollLeft = marked.offsetLeft - (this.strip.clientWidth - marked.clientWidth) / 2;
    this.describe();
    this.show(still, index, this.stills.length);
  }

  private describe(): void {
    const still = this.stills[this.at];
    if (!still) return;
    const text = frameText(still);
    byId("film-says").textContent = text;
    this.range.setAttribute("aria-valuetext", text.replace("σ", "sigma"));
  }
}
