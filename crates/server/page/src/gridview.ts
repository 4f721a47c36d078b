// The sheet on which a grid is set up, drawn and saved.

import { limits, samplers } from "./choices";
import { alarm, announce, byId, calledOff, download, h, loadImage, pngOf, sentence } from "./dom";
import { mark } from "./fields";
import * as form from "./form";
import { AXES, type Axis, cells, type Cell, MAX_CELLS } from "./grid";
import { png } from "./gridpng";
import { draw, type Outcome } from "./gridrun";
import { recall, remember } from "./settings";
import type { GenerateRequest } from "./types";

interface Side {
  axis: Axis;
  values: string[];
}

/** The grid that is on the sheet. */
interface Shown {
  x: Side;
  y: Side;
  base: GenerateRequest;
  outcomes: Outcome[];
}

let shown: Shown | null = null;
let drawing: AbortController | null = null;

const input = (id: string) => byId<HTMLInputElement>(id);

export function begin(): void {
  const kept = recall<Record<string, string>>("grid", {});
  for (const [side, axis, values] of [["x", "sampler", "ddim, heun"], ["y", "seed", "1-3"]] as const) {
    byId(`${side}-axis`).replaceChildren(...AXES.map(({ name, title }) => h("option", { value: name }, title)));
    input(`${side}-axis`).value = kept[`${side}-axis`] ?? axis;
    if (input(`${side}-axis`).value === "") input(`${side}-axis`).value = axis;
    input(`${side}-values`).value = kept[`${side}-values`] ?? values;
  }
  byId("grid-form").addEventListener("input", (event) => {
    // What was meant for one axis makes no sense on another.
    const id = (event.target as HTMLElement).id;
    if (id.endsWith("-axis")) input(id.replace("axis", "values")).value = "";
    remember("grid", Object.fromEntries(["x-axis", "x-values", "y-axis", "y-values"].map((id) => [id, input(id).value])));
    hints();
  });
  byId("grid-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void go();
  });
  byId("grid-stop").addEventListener("click", stop);
  byId("grid-save").addEventListener("click", () => void save());
  hints();
}

/** Stops a grid that is drawn; says whether there was one. */
export function stop(): boolean {
  drawing?.abort();
  return drawing !== null;
}

function side(name: "x" | "y"): Side {
  const axis = AXES.find((axis) => axis.name === input(`${name}-axis`).value) ?? (AXES[0] as Axis);
  const known = { samplers: samplers.map(({ name }) => name), maxSteps: limits.steps };
  const values = axis.parse(input(`${name}-values`).value, known);
  if (!values.length) throw new Error("Please give at least one value.");
  return { axis, values: [...new Set(values)] };
}

function hints(): void {
  const counts: number[] = [];
  for (const name of ["x", "y"] as const) {
    byId(`${name}-hint`).textContent = AXES.find((axis) => axis.name === input(`${name}-axis`).value)?.hint ?? "";
    mark(`${name}-values`, "");
    try {
      counts.push(side(name).values.length);
    } catch {
      // It may be half written; what is wrong is said when it is to be drawn.
    }
  }
  const [x, y] = counts;
  byId("grid-count").textContent = x && y ? `${x} × ${y}: ${x * y} pictures.` : "";
}

async function go(): Promise<void> {
  if (drawing) return;
  alarm("");
  const sides: Side[] = [];
  for (const name of ["x", "y"] as const) {
    mark(`${name}-values`, "");
    try {
      sides.push(side(name));
    } catch (error) {
      mark(`${name}-values`, sentence(error));
      alarm(sentence(error));
      input(`${name}-values`).focus();
      return;
    }
  }
  const [x, y] = sides as [Side, Side];
  let all: Cell[];
  try {
    if (x.axis === y.axis) throw new Error("Across and down vary the same: choose another one for one of them.");
    if (x.values.length * y.values.length > MAX_CELLS) throw new Error(`A grid has at most ${MAX_CELLS} pictures.`);
    const base = await form.request();
    for (const { axis, values } of sides) {
      if (axis.name === "strength" && !base.init) throw new Error("Strength needs a start picture: choose one on the sheet “Make”.");
      if (axis.name === "prompt" && !base.prompt?.includes(values[0] ?? ""))
        throw new Error(`The prompt does not have “${values[0]}”, which the others are to take the place of.`);
    }
    // All cells begin with the same noise, or they could not be compared.
    base.seed ??= Math.floor(Math.random() * 2 ** 31);
    delete base.explain;
    all = cells(base, x.axis, x.values, y.axis, y.values);
    shown = { x, y, base, outcomes: all.map(() => ({ state: "waiting", text: "" })) };
  } catch (error) {
    alarm(sentence(error));
    return;
  }
  const places = table(shown);
  await run(all, shown, places);
}

async function run(all: Cell[], grid: Shown, places: HTMLElement[]): Promise<void> {
  const control = (drawing = new AbortController());
  const [goButton, stopButton, saveButton] = ["grid-go", "grid-stop", "grid-save"].map((id) => byId<HTMLButtonElement>(id));
  if (!goButton || !stopButton || !saveButton) return;
  [goButton.disabled, stopButton.disabled, saveButton.disabled] = [true, false, true];
  let note = "";
  const says = () => {
    const done = grid.outcomes.filter(({ state }) => state === "done" || state === "failed").length;
    byId("grid-says").textContent = `${done} of ${all.length} drawn.${note}`;
  };
  says();
  announce(`Drawing ${all.length} pictures.`);
  try {
    await draw(all, control.signal, (index, outcome) => {
      grid.outcomes[index] = outcome;
      note = "";
      fill(places[index], outcome);
      says();
    }, (seconds) => {
      note = ` The queue is full: trying again in ${seconds} s.`;
      says();
    });
    const failed = grid.outcomes.filter(({ state }) => state === "failed").length;
    const text = failed ? `The grid is drawn; ${failed} of ${all.length} failed.` : "The grid is drawn.";
    byId("grid-says").textContent = text;
    announce(text);
  } catch (error) {
    const text = calledOff(error) ? "Stopped." : sentence(error);
    byId("grid-says").textContent = text;
    announce(text);
  } finally {
    drawing = null;
    [goButton.disabled, stopButton.disabled] = [false, true];
    saveButton.disabled = !grid.outcomes.some(({ picture }) => picture);
  }
}

/** Builds the table and gives back its cells, row by row. */
function table({ x, y }: Shown): HTMLElement[] {
  const places: HTMLElement[] = [];
  const rows = y.values.map((value) => {
    const row = x.values.map(() => {
      const cell = h("td", {}, h("span", { class: "cell-text" }));
      places.push(cell);
      return cell;
    });
    return h("tr", {}, h("th", { scope: "row" }, value), ...row);
  });
  const scroll = byId("grid-scroll");
  scroll.hidden = false;
  scroll.replaceChildren(h("table", { class: "grid" },
    h("caption", {}, `${x.axis.title} across, ${y.axis.title.toLowerCase()} down`),
    h("thead", {}, h("tr", {}, h("td", {}), ...x.values.map((value) => h("th", { scope: "col" }, value)))),
    h("tbody", {}, ...rows)));
  return places;
}

function fill(place: HTMLElement | undefined, { state, picture, text }: Outcome): void {
  if (!place) return;
  place.className = state;
  if (picture) place.replaceChildren(h("img", { src: picture.url, alt: `Seed ${picture.seed}`, width: picture.width, height: picture.height }));
  else place.replaceChildren(h("span", { class: "cell-text" }, text));
}

async function save(): Promise<void> {
  if (!shown) return;
  const { x, y, base, outcomes } = shown;
  try {
    const images = await Promise.all(outcomes.map(({ picture }) => (picture ? loadImage(picture.url) : null)));
    const url = URL.createObjectURL(await pngOf(png(x, y, base.prompt ?? "", images)));
    download(url, "aquatint-grid.png");
    // The browser has read it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    alarm(sentence(error));
  }
}
