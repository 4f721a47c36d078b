// What the server has to choose from: models, samplers, schedules and limits.

import * as api from "./api";
import { byId, h } from "./dom";
import type { Limits, Model, Sampler, Schedule } from "./types";

export let models: Model[] = [];
export let samplers: Sampler[] = [];
export let schedules: Schedule[] = [];
export let limits: Limits = { pixels: 1536 * 1536, steps: 1000, count: 256, body_bytes: 32 << 20, queue: 16 };

/** The model that is chosen, or the first one. */
export function model(): Model | undefined {
  const name = byId<HTMLSelectElement>("model").value;
  return models.find((model) => model.name === name) ?? models[0];
}

/** The network that enlarges pictures, if there is one. */
export function upscaler(): Model | undefined {
  return models.find((model) => model.kind === "upscale");
}

/** Asks the server and fills the lists. */
export async function load(): Promise<void> {
  const [known, sampling, bounds] = await Promise.all([api.models(), api.samplers(), api.limits()]);
  ({ models } = known);
  ({ samplers, schedules } = sampling);
  limits = bounds;

  // Networks that enlarge are offered where there is a picture to enlarge.
  const drawing = models.filter((model) => model.kind !== "upscale");
  byId("model").replaceChildren(...drawing.map((model) =>
    h("option", { value: model.name }, model.title === model.name ? model.name : `${model.title}`)));
  const first = drawing.find((model) => model.default) ?? drawing[0];
  if (first) byId<HTMLSelectElement>("model").value = first.name;
  byId("sampler").replaceChildren(...samplers.map((sampler) =>
    h("option", { value: sampler.name }, sampler.label || sampler.name)));
  byId("schedule").replaceChildren(
    h("option", { value: "" }, "model's own"),
    ...schedules.map((schedule) => h("option", { value: schedule.name }, schedule.name.replaceAll("_", " "))),
  );
  byId<HTMLInputElement>("steps").max = String(limits.steps);
  byId<HTMLInputElement>("count").max = String(limits.count);
}

/** Shows what goes with the chosen model, sampler and schedule. */
export function describe(): void {
  const chosen = model();
  const sampler = samplers.find(({ name }) => name === byId<HTMLSelectElement>("sampler").value);
  const schedule = schedules.find(({ name }) => name === byId<HTMLSelectElement>("schedule").value);
  const about = byId("sampler-about");
  about.textContent = sampler ? `${capital(sampler.one_line)}${sampler.stochastic && !/noise/.test(sampler.one_line) ? "; renews noise" : ""}.` : "";
  about.title = sampler?.paper ?? "";
  byId("schedule-about").textContent = schedule ? `${capital(schedule.one_line)}.` : "";
  byId("schedule-about").hidden = !schedule;
  if (!chosen) return;

  for (const side of ["width", "height"] as const) {
    const field = byId<HTMLInputElement>(side);
    field.step = String(chosen.multiple || 8);
    field.placeholder = String(chosen[side] ?? "");
  }
  const classes = chosen.kind === "class";
  byId("class-field").hidden = !classes;
  if (classes)
    byId("classes").replaceChildren(...(chosen.classes ?? []).map((name) => h("option", { value: name })));
  const wordless = classes || chosen.kind === "unconditional";
  for (const id of ["prompt", "negative_prompt"]) {
    const field = byId<HTMLTextAreaElement>(id);
    field.closest<HTMLElement>(".field")?.toggleAttribute("hidden", wordless);
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
