// From the form to the queue, and which run is shown.

import * as api from "./api";
import { announce, byId, calledOff, sentence } from "./dom";
import { blame, clear, FieldError } from "./fields";
import * as form from "./form";
import * as jobs from "./jobs";
import { Run } from "./run";
import * as stage from "./stage";
import { ended, type GenerateRequest, type Job } from "./types";

/** What was asked for here, so that the next of it is shown when one has ended. */
const mine = new Map<string, GenerateRequest>();
/** Calls off what waits for room in the queue. */
let sending: AbortController | null = null;

/** Generates what the form says. */
export async function go(): Promise<void> {
  clear();
  byId("sending").textContent = "";
  let request: GenerateRequest;
  try {
    request = await form.request();
  } catch (error) {
    blame(sentence(error), error instanceof FieldError ? error.field : null);
    return;
  }
  await send(request);
}

/** Queues a request; `told` is what the page knows of it. */
export async function send(request: GenerateRequest, told: GenerateRequest = request): Promise<void> {
  sending?.abort();
  const control = (sending = new AbortController());
  const busy = byId<HTMLButtonElement>("cancel");
  try {
    const accepted = await jobs.submit(request, control.signal, (seconds) => {
      const text = `The queue is full: trying again in ${seconds} s. Esc gives up.`;
      tell(text);
      busy.disabled = false;
    });
    byId("sending").textContent = "";
    const known = { ...told, seed: accepted.seed };
    delete known.init;
    delete known.mask;
    mine.set(accepted.id, known);
    const shown = stage.current();
    if (shown && !shown.ended) announce(`Queued, number ${accepted.position}.`);
    else {
      const run = new Run(accepted.id, known);
      run.position = accepted.position;
      stage.show(run);
      reveal();
    }
  } catch (error) {
    if (calledOff(error)) {
      tell("Given up: nothing was queued.");
      busy.disabled = stage.current()?.ended ?? true;
    } else blame(sentence(error), error instanceof api.ApiError ? error.field : null);
  } finally {
    if (sending === control) sending = null;
  }
}

/** Says what becomes of a request that no run stands for yet. */
function tell(text: string): void {
  byId("sending").textContent = text;
  announce(text);
}

/** Where form and print are one above the other, the print is what one wants to see now. */
function reveal(): void {
  const box = byId("plate").getBoundingClientRect();
  if (box.top >= 0 && box.top < window.innerHeight * 0.6) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("view-make").querySelector(".print")?.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
}

/** Calls off what is waited for: first what is not queued yet, then the run that is shown. */
export async function cancel(): Promise<boolean> {
  if (sending) {
    sending.abort();
    return true;
  }
  const run = stage.current();
  if (!run || run.ended) return false;
  try {
    await jobs.cancel(run.id);
  } catch (error) {
    blame(sentence(error), "none");
  }
  return true;
}

/** Shows a job of the list, whoever asked for it. */
export function look(job: Job): void {
  stage.show(new Run(job.id, job.request, ended(job.state)));
  reveal();
}

/** After a run that was watched to its end comes the next one that was asked for here. */
async function next(run: Run): Promise<void> {
  mine.delete(run.id);
  await jobs.refresh();
  const job = jobs.all().filter((job) => mine.has(job.id) && !ended(job.state)).sort((a, b) => a.position - b.position)[0];
  // Whoever looks at something old is not torn away from it.
  if (job && !run.past && stage.current() === run) stage.show(new Run(job.id, mine.get(job.id) ?? job.request));
}

/** Makes the form's buttons work and finds what was drawn when the page was left. */
export async function begin(): Promise<void> {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void go();
  });
  byId("cancel").addEventListener("click", () => void cancel());
  byId("seed-keep").addEventListener("click", () => {
    const print = stage.print();
    if (print) form.setSeed(print.seed);
  });
  stage.onEnd((run) => void next(run));
  await jobs.refresh();
  const live = jobs.all().filter((job) => !ended(job.state)).sort((a, b) => a.position - b.position)[0];
  if (live && !stage.current()) stage.show(new Run(live.id, live.request));
}
