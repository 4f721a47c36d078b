// Who waits, who is drawn and what ended lately.

import { byId, h, sentence, alarm } from "./dom";
import * as jobs from "./jobs";
import * as make from "./make";
import { ended, type Job } from "./types";

/** How many ended jobs are shown beneath those that are not. */
const ENDED = 6;

export function begin(): void {
  const list = byId("queue-list");
  const lines = new Map<string, HTMLLIElement>();
  jobs.listen((all) => {
    const live = all.filter((job) => !ended(job.state)).sort((a, b) => a.position - b.position);
    const past = all.filter((job) => ended(job.state)).sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0));
    const wanted = [...live, ...past.slice(0, ENDED)];
    byId("queue-empty").hidden = wanted.length > 0;
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, line] of lines)
      if (!ids.has(id)) {
        line.remove();
        lines.delete(id);
      }
    // Lines are kept as they are where nothing changed, so that focus stays on their buttons.
    wanted.forEach((job, index) => {
      let line = lines.get(job.id);
      const key = `${job.state} ${job.position} ${job.state === "running" ? job.step : ""}`;
      if (!line) {
        line = h("li", {});
        lines.set(job.id, line);
      }
      if (line.dataset["key"] !== key) {
        const focused = document.activeElement?.parentElement?.parentElement === line;
        line.dataset["key"] = key;
        line.dataset["state"] = job.state;
        line.replaceChildren(...parts(job));
        if (focused) line.querySelector("button")?.focus();
      }
      if (list.children[index] !== line) list.insertBefore(line, list.children[index] ?? null);
    });
  });
}

function parts(job: Job): HTMLElement[] {
  const name = title(job);
  const buttons = h("span", { class: "queue-buttons" },
    h("button", { type: "button", class: "quiet", "aria-label": `Show ${name}`, onclick: () => make.look(job) }, "Show"));
  if (!ended(job.state))
    buttons.append(h("button", {
      type: "button", class: "quiet", "aria-label": `Cancel ${name}`,
      onclick: () => jobs.cancel(job.id).catch((error: unknown) => alarm(sentence(error))),
    }, "Cancel"));
  return [h("span", { class: "queue-state" }, state(job)), h("span", { class: "queue-name", title: name }, name), buttons];
}

function title(job: Job): string {
  const { prompt, class: kind, upscale, model } = job.request;
  return upscale ? "enlarging" : prompt || kind || model || "a picture";
}

function state(job: Job): string {
  switch (job.state) {
    case "queued": return `№ ${job.position}`;
    case "running": return job.steps ? `${job.step}/${job.steps}` : "drawing";
    case "done": return job.pictures.length > 1 ? `${job.pictures.length} prints` : "printed";
    case "failed": return "failed";
    case "cancelled": return "cancelled";
  }
}
