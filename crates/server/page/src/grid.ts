// The mathematics of a grid: what may be varied, over which values, and which request is in which
// cell. Nothing here looks at the page.

import type { GenerateRequest } from "./types";

export interface Axis {
  name: string;
  title: string;
  hint: string;
  /** The values that a text stands for, or a sentence thrown. */
  parse(text: string, known: Known): string[];
  /** Puts a value into a request; `first` is the first value of the axis. */
  apply(request: GenerateRequest, value: string, first: string): void;
}

/** What the server knows that a value may have to be one of. */
export interface Known {
  samplers: string[];
  maxSteps: number;
}

/** The most cells: more would be hours. */
export const MAX_CELLS = 100;

/** Values between commas; a comma within quotes is one of a value. */
export function split(text: string): string[] {
  const values = text.match(/"[^"]*"|[^,]+/g) ?? [];
  return values.map((value) => value.trim().replace(/^"(.*)"$/, "$1").trim()).filter(Boolean);
}

/** Numbers between commas, and ranges: `1-4`, or `10-50+10` in steps of ten. */
export function numbers(text: string, min: number, max: number, whole: boolean): string[] {
  const values: number[] = [];
  for (const part of split(text)) {
    const range = /^(\d+(?:\.\d+)?)\s*(?:-|\.\.)\s*(\d+(?:\.\d+)?)(?:\s*\+\s*(\d+(?:\.\d+)?))?$/.exec(part);
    if (range) {
      const [from, to, by] = [Number(range[1]), Number(range[2]), Number(range[3] ?? 1)];
      if (by <= 0 || to < from) throw new Error(`“${part}” goes nowhere: write it as 10-50+10.`);
      // Counted and not summed, so that 0-1+0.1 ends at 1.
      const count = Math.floor((to - from) / by + 1e-9);
      for (let i = 0; i <= Math.min(count, MAX_CELLS); i++) values.push(Number((from + i * by).toPrecision(12)));
    } else values.push(Number(part));
  }
  for (const value of values) {
    if (!Number.isFinite(value) || (whole && !Number.isInteger(value)))
      throw new Error(`Only ${whole ? "whole numbers" : "numbers"} between commas are possible here.`);
    if (value < min || value > max) throw new Error(`${value} is not possible: it must be from ${min} to ${max}.`);
  }
  return values.map(String);
}

export const AXES: Axis[] = [
  {
    name: "seed", title: "Seed", hint: "Numbers and ranges: 1, 2, 10-13",
    parse: (text) => numbers(text, 0, Number.MAX_SAFE_INTEGER, true),
    apply: (request, value) => void (request.seed = Number(value)),
  },
  {
    name: "steps", title: "Steps", hint: "Numbers and ranges: 5, 10-50+20",
    parse: (text, known) => numbers(text, 1, known.maxSteps, true),
    apply: (request, value) => void (request.steps = Number(value)),
  },
  {
    name: "guidance_scale", title: "Guidance", hint: "Numbers and ranges: 1, 3, 5-9+2",
    parse: (text) => numbers(text, -100, 100, false),
    apply: (request, value) => void (request.guidance_scale = Number(value)),
  },
  {
    name: "sampler", title: "Sampler", hint: "Names between commas: ddim, heun, dpmpp_2m",
    parse: (text, known) => split(text).map((value) => {
      const found = known.samplers.find((name) => name === value.toLowerCase());
      if (!found) throw new Error(`There is no sampler “${value}”: there are ${known.samplers.join(", ")}.`);
      return found;
    }),
    apply: (request, value) => void (request.sampler = value),
  },
  {
    name: "strength", title: "Strength", hint: "Numbers from 0 to 1: 0.2-0.8+0.2; needs a start picture",
    parse: (text) => numbers(text, 0, 1, false),
    apply: (request, value) => void (request.strength = Number(value)),
  },
  {
    name: "prompt", title: "Words of the prompt", hint: "The first is what the prompt has, the others take its place: noto, blob, flat",
    parse: (text) => split(text),
    apply: (request, value, first) => void (request.prompt = (request.prompt ?? "").replaceAll(first, value)),
  },
];

export interface Cell {
  column: number;
  row: number;
  request: GenerateRequest;
}

/** The request of every cell, row by row. */
export function cells(base: GenerateRequest, x: Axis, xs: string[], y: Axis, ys: string[]): Cell[] {
  const [firstX = "", firstY = ""] = [xs[0], ys[0]];
  return ys.flatMap((yValue, row) => xs.map((xValue, column) => {
    const request = { ...base, count: 1 };
    x.apply(request, xValue, firstX);
    y.apply(request, yValue, firstY);
    return { column, row, request };
  }));
}
