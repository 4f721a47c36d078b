// The form as a request and back. What is in it is remembered; pictures are not.

import { describe, limits, model, models, samplers } from "./choices";
import { byId, h } from "./dom";
import { FieldError, number, pair } from "./fields";
import { recall, remember } from "./settings";
import * as start from "./start";
import type { GenerateRequest, Seed } from "./types";

const TEXTS = ["prompt", "negative_prompt", "model", "sampler", "schedule", "class"];
const NUMBERS = ["steps", "guidance_scale", "width", "height", "count", "seed", "strength", "mask_blur"];

/** Settings that a restored picture had and the form has no field for: they are sent along. */
let others: GenerateRequest = {};
/** What goes without saying. All of it is sent along; the form names what is not as usual. */
const USUAL: GenerateRequest = {
  prompt_mix: 0, prompt_weights: "web-ui", subseed: 0, subseed_strength: 0, eta_noise_seed_delta: 0, rng: "torch-cpu",
  guidance_interval: [0, 1], guidance_rescale: 0, mimic_scale: 7, deep_cache: 1, deep_cache_branch: 0, token_merging: 0, fit: "cover",
};
/** What is said of a job and not of a picture, or has a field of its own. */
const OWN = new Set([...TEXTS, ...NUMBERS, "init", "mask", "upscale", "explain"]);

const field = (id: string) => byId<HTMLInputElement>(id);

/** Fills the form with what was in it last, or with the model's habits. */
export function begin(): void {
  for (const id of ["steps", "guidance_scale", "strength"]) pair(id);
  const kept = recall<Record<string, string>>("form", {});
  if (models.some(({ name }) => name === kept["model"])) field("model").value = kept["model"] ?? "";
  habits();
  for (const id of [...TEXTS, ...NUMBERS]) {
    const value = kept[id];
    if (typeof value === "string" && (value !== "" || id.endsWith("prompt") || id === "seed")) set(id, value);
  }
  field("explain").checked = recall("explain", false);
  describe();
  byId("form").addEventListener("input", (event) => {
    const target = event.target as HTMLElement;
    if (target.id === "model") habits();
    if (["model", "sampler", "schedule"].includes(target.id)) describe();
    keep();
  });
  byId("seed-random").addEventListener("click", () => {
    set("seed", "");
    keep();
  });
  byId("reset").addEventListener("click", () => {
    for (const id of [...TEXTS, ...NUMBERS]) if (id !== "model") set(id, "");
    setOthers({});
    start.clear();
    habits();
    describe();
    keep();
  });
}

function keep(): void {
  remember("form", Object.fromEntries([...TEXTS, ...NUMBERS].map((id) => [id, field(id).value])));
  remember("explain", field("explain").checked);
}

function set(id: string, value: string): void {
  const at = field(id);
  if (at instanceof HTMLSelectElement && ![...(at as HTMLSelectElement).options].some((o) => o.value === value)) return;
  at.value = value;
  const range = document.getElementById(`${id}-range`) as HTMLInputElement | null;
  if (range && value !== "") range.value = value;
}

/** What the chosen model is used to. */
function habits(): void {
  const chosen = model();
  if (!chosen) return;
  set("steps", String(chosen.defaults.steps));
  set("guidance_scale", String(chosen.defaults.guidance_scale));
  set("sampler", chosen.defaults.sampler);
  set("schedule", "");
  set("width", String(chosen.width ?? ""));
  set("height", String(chosen.height ?? ""));
  if (field("count").value === "") set("count", "1");
  if (field("strength").value === "") set("strength", "0.75");
}

/** The request that the form stands for, or a sentence about the field that is wrong. */
export async function request(): Promise<GenerateRequest> {
  const made = settings();
  const [init, mask] = [await start.picture(), await start.maskPicture()];
  if (init) made.init = init;
  if (init && mask) made.mask = mask;
  return made;
}

/** The same without pictures. */
export function settings(): GenerateRequest {
  const chosen = model();
  if (!chosen) throw new FieldError("model", "There is no model: give the server one with -m.");
  const made: GenerateRequest = { ...others, model: chosen.name };
  if (chosen.kind === "class") {
    const name = field("class").value.trim();
    if (name === "") throw new FieldError("class", "Class: please choose what to show.");
    made.class = name;
  } else if (chosen.kind !== "unconditional") {
    made.prompt = field("prompt").value;
    made.negative_prompt = field("negative_prompt").value;
  }
  made.sampler = field("sampler").value;
  made.schedule = field("schedule").value || null;
  made.steps = number("steps", "Steps", true) ?? chosen.defaults.steps;
  made.guidance_scale = number("guidance_scale", "Guidance", false) ?? chosen.defaults.guidance_scale;
  made.count = number("count", "Pictures", true) ?? 1;
  for (const side of ["width", "height"] as const) {
    const name = side === "width" ? "Width" : "Height";
    const pixels = number(side, name, true);
    if (pixels !== null && pixels % chosen.multiple !== 0) {
      const near = Math.max(chosen.multiple, Math.round(pixels / chosen.multiple) * chosen.multiple);
      throw new FieldError(side, `${name}: ${pixels} is no multiple of ${chosen.multiple}; ${near} is the nearest.`);
    }
    made[side] = pixels;
  }
  if ((made.width ?? 0) * (made.height ?? 0) > limits.pixels)
    throw new FieldError("width", `Width and height: this server draws at most ${limits.pixels} pixels.`);
  made.seed = seed();
  if (start.chosen()) {
    made.strength = number("strength", "Strength", false) ?? 0.75;
    if (start.masked()) made.mask_blur = number("mask_blur", "Softness", false);
  }
  if (field("explain").checked) made.explain = true;
  return made;
}

function seed(): Seed | null {
  const text = field("seed").value.trim();
  if (text === "") return null;
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n)
    throw new FieldError("seed", "Seed: please give a whole number below 2⁶⁴, or nothing for a random one.");
  return text.length < 16 ? Number(text) : text;
}

/** Puts a request into the form. Pictures stay as they are: a request tells nothing of them. */
export function fill(from: GenerateRequest): void {
  if (from.model && models.some(({ name }) => name === from.model)) set("model", from.model);
  habits();
  const texts = { ...from } as Record<string, unknown>;
  for (const id of [...TEXTS, ...NUMBERS]) {
    const value = texts[id];
    if (id === "model") continue;
    // What is not said is as usual; the size and the count are the form's business.
    if (value === undefined || value === null) {
      if (["prompt", "negative_prompt", "seed", "schedule", "mask_blur"].includes(id)) set(id, "");
    } else set(id, String(value));
  }
  // Programs call samplers differently; the server's names are in the list.
  if (from.sampler && !samplers.some(({ name }) => name === from.sampler)) {
    const same = samplers.find(({ label }) => label.toLowerCase() === from.sampler?.toLowerCase());
    if (same) set("sampler", same.name);
  }
  setOthers(Object.fromEntries(Object.entries(from).filter(([key, value]) => !OWN.has(key) && value !== null)));
  describe();
  keep();
}

function setOthers(to: GenerateRequest): void {
  others = to;
  const names = Object.keys(to).filter((key) => JSON.stringify(to[key]) !== JSON.stringify(USUAL[key]));
  const place = byId("others");
  place.hidden = names.length === 0;
  place.replaceChildren(
    `Also as in the picture: ${names.map((name) => name.replaceAll("_", " ")).join(", ")}. `,
    h("button", { type: "button", class: "link", onclick: () => setOthers({}) }, "Leave out"),
  );
}

/** Sets the seed, as "keep" does. */
export function setSeed(value: Seed): void {
  set("seed", String(value));
  keep();
}

/** Sets the size that pictures will have. */
export function setSize(width: number, height: number): void {
  set("width", String(width));
  set("height", String(height));
  keep();
}
