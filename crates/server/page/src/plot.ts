// The noise schedule as a drawing: σ over the steps, on a logarithmic scale, as it spans decades.

import { h, sigmaText, svg } from "./dom";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [560, 230, 58, 40, 14, 14];

export class Plot {
  readonly root: HTMLElement;
  private readonly dot = svg("circle", { r: 5, class: "plot-dot" });
  private readonly line = svg("line", { class: "plot-here" });

  constructor(private readonly sigmas: number[]) {
    const last = sigmas.length - 1;
    // A step is told with the noise that it begins with; a list may also have what remains in the end.
    const first = (sigmas[last] ?? 0) > 0 ? 1 : 0;
    const path = sigmas.map((sigma, i) => `${i ? "L" : "M"}${this.x(i).toFixed(1)} ${this.y(sigma).toFixed(1)}`).join("");
    const text = (x: number, y: number, anchor: string, said: string) =>
      svg("text", { x, y, "text-anchor": anchor, class: "plot-text" }, said);
    const ticks = this.decades().flatMap((sigma) => [
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: this.y(sigma), y2: this.y(sigma), class: "plot-grid" }),
      text(LEFT - 8, this.y(sigma) + 4, "end", String(sigma)),
    ]);
    const drawing = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img",
      "aria-label": `Noise over the steps: σ falls from ${sigmaText(sigmas[0] ?? 0)} to ${sigmaText(sigmas[last] ?? 0)} in ${last + first} steps.`,
    },
      ...ticks,
      svg("path", { d: path, class: "plot-line" }),
      ...sigmas.map((sigma, i) => svg("circle", { cx: this.x(i), cy: this.y(sigma), r: last > 60 ? 1 : 2, class: "plot-point" })),
      this.line, this.dot,
      text(LEFT, HEIGHT - 10, "start", `step ${first}`),
      text(WIDTH - RIGHT, HEIGHT - 10, "end", `step ${last + first}`),
      text((LEFT + WIDTH) / 2, HEIGHT - 10, "middle", "σ over the steps"),
    );
    const rows = sigmas.map((sigma, i) => h("tr", {}, h("td", {}, String(i + first)), h("td", {}, sigmaText(sigma))));
    this.root = h("div", {}, drawing as unknown as Node,
      h("details", {}, h("summary", {}, "As a table"),
        h("div", { class: "plot-table", tabIndex: 0, role: "region", "aria-label": "Noise levels" },
          h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Step"), h("th", { scope: "col" }, "σ"))),
            h("tbody", {}, ...rows)))));
    this.at(Infinity);
  }

  /** Marks the step with the noise that is nearest to σ. */
  at(sigma: number): void {
    const far = (other: number) => Math.abs(Math.log((other + 1e-6) / (Math.min(sigma, 1e9) + 1e-6)));
    const index = this.sigmas.reduce((best, other, i) => (far(other) < far(this.sigmas[best] ?? 0) ? i : best), 0);
    const [x, y] = [this.x(index), this.y(this.sigmas[index] ?? 0)];
    for (const [name, value] of [["cx", x], ["cy", y]] as const) this.dot.setAttribute(name, String(value));
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", y], ["y2", HEIGHT - BOTTOM]] as const)
      this.line.setAttribute(name, String(value));
  }

  private x(index: number): number {
    return LEFT + (index / Math.max(1, this.sigmas.length - 1)) * (WIDTH - LEFT - RIGHT);
  }

  /** No noise at all is infinitely far down; it stands on the axis. */
  private y(sigma: number): number {
    const [low, high] = this.span();
    const part = sigma <= 0 ? 0 : 0.06 + (0.94 * Math.log(sigma / low)) / Math.max(1e-9, Math.log(high / low));
    return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
  }

  private span(): [number, number] {
    const some = this.sigmas.filter((sigma) => sigma > 0);
    return some.length ? [Math.min(...some), Math.max(...some)] : [0.1, 1];
  }

  private decades(): number[] {
    const [low, high] = this.span();
    const all: number[] = [];
    for (let power = Math.ceil(Math.log10(low)); 10 ** power <= high; power++) all.push(Number((10 ** power).toPrecision(1)));
    return all;
  }
}
