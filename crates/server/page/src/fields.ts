// Fields of the form and the sentences beneath them.

import { alarm, byId } from "./dom";

/** Fields that an error can be about, with words by which a sentence of the server gives them away. */
const FIELDS: [id: string, words: RegExp][] = [
  ["mask_blur", /\bblur\b/],
  ["negative_prompt", /negative prompt/],
  ["guidance_scale", /guidance/],
  ["strength", /strength/],
  ["schedule", /schedule/],
  ["sampler", /sampler/],
  ["seed", /\bseed\b/],
  ["steps", /\bsteps?\b(?! connection)/],
  ["width", /\bpixels\b|\bwidth\b|\d+x\d+/],
  ["height", /\bheight\b/],
  ["count", /\bpictures are\b|\bcount\b/],
  ["class", /\bclass(es)?\b/],
  ["init", /picture to begin|begins? with|\bmask\b|\binit\b|to be enlarged/],
  ["prompt", /\bprompt\b|\bwords\b/],
  ["model", /\bmodel\b/],
];

/** Puts a sentence beneath a field, or takes it away. */
export function mark(id: string, message: string): void {
  const error = byId(`${id}-error`);
  error.textContent = message;
  const field = document.getElementById(id);
  if (!field) return;
  const describedBy = new Set((field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  if (message) {
    field.setAttribute("aria-invalid", "true");
    describedBy.add(error.id);
  } else {
    field.removeAttribute("aria-invalid");
    describedBy.delete(error.id);
  }
  if (describedBy.size) field.setAttribute("aria-describedby", [...describedBy].join(" "));
  else field.removeAttribute("aria-describedby");
}

/** Takes all sentences away. */
export function clear(): void {
  for (const [id] of FIELDS) mark(id, "");
  alarm("");
}

/**
 * Shows a sentence where its cause is, and says it; without a known cause it stands on top. `field`
 * is "none" for what no field is to blame for, and null where only the words can tell.
 */
export function blame(message: string, field: string | null = null): void {
  const known = FIELDS.find(([id]) => id === field);
  const guessed = field === "none" ? undefined : FIELDS.find(([, words]) => words.test(message.toLowerCase()));
  const [id] = known ?? guessed ?? [null];
  const place = id ? document.getElementById(id) : null;
  alarm(message);
  if (!id) return;
  mark(id, message);
  // Whoever looks at the gallery must not be torn away from it.
  if (place && place.offsetParent !== null) place.focus();
}

/** A number of a field: null if it is empty, or a sentence thrown if it is none or out of range. */
export function number(id: string, name: string, whole: boolean): number | null {
  const field = byId<HTMLInputElement>(id);
  const text = field.value.trim();
  if (text === "" && !field.validity.badInput) return null;
  const value = Number(text.replace(",", "."));
  const [min, max] = [Number(field.min), Number(field.max || "1e9")];
  const range = field.max ? `from ${min} to ${max}` : `at least ${min}`;
  if (text === "" || !Number.isFinite(value) || (whole && !Number.isInteger(value)))
    throw new FieldError(id, `${name}: please give a ${whole ? "whole " : ""}number ${range}.`);
  if (value < min || value > max) throw new FieldError(id, `${name}: ${value} is not possible; it must be ${range}.`);
  return value;
}

/** What is wrong with what is in a field. */
export class FieldError extends Error {
  constructor(readonly field: string, message: string) {
    super(message);
  }
}

/** Ties a slider to its number: either moves the other. */
export function pair(id: string): void {
  const [field, range] = [byId<HTMLInputElement>(id), byId<HTMLInputElement>(`${id}-range`)];
  range.addEventListener("input", () => {
    field.value = range.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  field.addEventListener("input", () => {
    if (field.value !== "") range.value = field.value;
  });
}
