// The print on its paper: what is drawn at the moment or was drawn last, its states, and what may
// be done with it.

import * as actions from "./actions";
import { announce, byId, h, sigmaText } from "./dom";
import { Explainer } from "./explain";
import { Filmstrip, frameText, type Still } from "./filmstrip";
import type { Change, Run } from "./run";

let run: Run | null = null;
/** Which picture of the run is looked at, and whether that was chosen by hand. */
let which = 0;
let chosen = false;
let unlisten: () => void = () => {};
let announced = -1;
let over: (run: Run) => void = () => {};

const shown = byId<HTMLImageElement>("shown");
const explainer = new Explainer((url) => {
  const overlay = byId<HTMLImageElement>("attention");
  overlay.hidden = url === null;
  if (url) overlay.src = url;
}, (index) => film.go(index));
const film = new Filmstrip(place);

/** The run that is shown. */
export const current = () => run;
export const strip = film;

/** Who wants to know when the run that is shown has ended. */
export function onEnd(to: (run: Run) => void): void {
  over = to;
}

/** Shows a run from its beginning. */
export function show(next: Run): void {
  unlisten();
  run?.leave();
  [run, which, chosen, announced] = [next, 0, false, -1];
  shown.hidden = true;
  grain(Number(next.request.seed ?? 0));
  film.set([]);
  const { width, height } = next.request;
  ratio(width ?? 1, height ?? width ?? 1);
  const said = next.request.prompt || next.request.class || "";
  shown.alt = said ? `Picture of: ${said}` : "The picture";
  byId("caption-left").textContent = "";
  byId("caption-right").textContent = "";
  void explainer.begin(next);
  unlisten = next.listen(changed);
  changed("state");
  next.follow();
}

function changed(change: Change): void {
  if (!run) return;
  // Pictures that are drawn one after the other are followed; of those that are drawn together, the
  // first one is shown until somebody chooses.
  const through = run.pictures[which] !== undefined || !run.frames[which]?.length;
  if (change === "step" && !chosen && which !== run.current && through) {
    which = run.current;
    film.set(stills());
  } else film.update(stills());
  status(run);
  batch(run);
  buttons(run);
  if (change === "state" && run.state === "running") void explainer.refresh();
  if (change === "state" && run.ended) {
    void explainer.refresh();
    over(run);
  }
}

function stills(): Still[] {
  const frames: Still[] = (run?.frames[which] ?? []).map(({ url, step, sigma }) => ({ url, step, sigma }));
  const print = run?.pictures[which];
  if (print) frames.push({ url: print.url, step: run?.steps ?? 0, sigma: null });
  return frames;
}

/** Puts a frame on the plate. */
function place(still: Still, index: number, count: number): void {
  if (!run) return;
  shown.src = still.url;
  shown.hidden = false;
  const print = run.pictures[which];
  const last = still.sigma === null;
  if (last && print) ratio(print.width, print.height);
  byId("caption-left").textContent = last ? `${which + 1}/${run.count}` : `state ${still.step} of ${run.steps}`;
  byId("caption-right").textContent = last
    ? `seed ${print?.seed ?? ""} · ${print?.width} × ${print?.height}`
    : `σ ${sigmaText(still.sigma ?? 0)}`;
  explainer.at(still, index, count, frameText(still));
}

function ratio(width: number, height: number): void {
  byId("plate").style.setProperty("--ratio", String(width / height));
}

function status(run: Run): void {
  const bar = byId<HTMLProgressElement>("progress");
  const total = Math.max(1, run.steps);
  const said = words(run);
  byId("status").textContent = said;
  bar.hidden = run.ended;
  if (run.state === "running" && run.step > 0) bar.value = run.step / total;
  else bar.removeAttribute("value");
  byId<HTMLButtonElement>("cancel").disabled = run.ended;
  document.title = run.state === "running" ? `${run.step}/${run.steps} · Aquatint` : "Aquatint";
  // Every step would drown out everything else: quarters do.
  const quarter = run.state === "running" ? Math.floor((4 * run.step) / total) : 0;
  const key = run.lost ? -2 : ["queued", "running", "done", "failed", "cancelled"].indexOf(run.state) * 10 + quarter;
  if (key !== announced) announce(said);
  announced = key;
}

function words(run: Run): string {
  if (run.lost && !run.ended) return "The server does not answer. What was queued goes on when it is there again.";
  switch (run.state) {
    case "queued":
      return run.position > 0 ? `Waiting: number ${run.position} in the queue.` : "Waiting for its turn.";
    case "running": {
      if (run.step === 0) return run.model ? `Loading ${run.model}, then drawing.` : "Drawing.";
      const sigma = run.sigma === null ? "" : `, σ ${sigmaText(run.sigma)}`;
      const left = run.secondsLeft ? `, about ${Math.ceil(run.secondsLeft)} s left` : "";
      const of = run.count === 1 ? "Step" : run.together ? `${run.count} pictures, step` : `Picture ${run.current + 1} of ${run.count}, step`;
      return `${of} ${run.step} of ${run.steps}${sigma}${left}.`;
    }
    case "done":
      return `Printed${run.job?.seconds ? ` in ${run.job.seconds.toFixed(1)} s` : ""}.`;
    case "failed":
      return `It failed: ${run.error}`;
    case "cancelled":
      return run.step ? `Cancelled after step ${run.step} of ${run.steps}.` : "Cancelled before it began.";
  }
}

/** The pictures of a run side by side, where there are several. */
function batch(run: Run): void {
  const place = byId("batch");
  place.hidden = run.count < 2;
  if (place.hidden) return;
  const wanted = Array.from({ length: run.count }, (_, i) =>
    run.pictures[i]?.url ?? run.frames[i]?.at(-1)?.url ?? "");
  // Built once and changed where something changed: focus must stay where it is.
  if (place.childElementCount !== run.count)
    place.replaceChildren(...wanted.map((_, i) =>
      h("button", { type: "button", "aria-label": `Picture ${i + 1}`, onclick: () => look(i) },
        h("img", { alt: "", hidden: true, width: 56, height: 56 }))));
  wanted.forEach((url, i) => {
    const button = place.children[i] as HTMLButtonElement;
    const image = button.firstElementChild as HTMLImageElement;
    if (url && image.getAttribute("src") !== url) image.src = url;
    image.hidden = url === "";
    button.setAttribute("aria-pressed", String(i === which));
  });
}

function look(at: number): void {
  [which, chosen] = [at, true];
  film.set(stills());
  if (run) {
    batch(run);
    buttons(run);
  }
}

function buttons(run: Run): void {
  const place = byId("actions");
  const print = run.pictures[which];
  place.hidden = !print;
  const id = print ? `${print.id}` : "";
  if (place.dataset["of"] === id) return;
  place.dataset["of"] = id;
  if (print) place.replaceChildren(...actions.buttons({ ...print, request: { ...run.request, seed: print.seed } }));
  byId<HTMLButtonElement>("seed-keep").disabled = !print;
}

/** The picture that is looked at, if it is finished. */
export const print = () => run?.pictures[which] ?? null;

/** Fills the plate with grain: the noise that every picture comes out of. */
export function grain(seed: number): void {
  const context = byId<HTMLCanvasElement>("grain").getContext("2d");
  if (!context) return;
  const pixels = context.createImageData(128, 128);
  let state = (seed % 2147483646) + 1;
  for (let i = 0; i < pixels.data.length; i += 4) {
    // A sum of four uniform numbers is Gaussian enough for the eye.
    let sum = 0;
    for (let n = 0; n < 4; n++) {
      state = (state * 48271) % 2147483647;
      sum += state / 2147483647;
    }
    const grey = Math.max(0, Math.min(255, 128 + (sum - 2) * 110));
    pixels.data.set([grey, grey, grey, 255], i);
  }
  context.putImageData(pixels, 0, 0);
}
