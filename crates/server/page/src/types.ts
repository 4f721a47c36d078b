// What travels between the page and the server, by the names of the server's interface.

/** Whole numbers of 64 bits; those that JavaScript's numbers cannot hold are kept as digits. */
export type Seed = number | string;

export interface GenerateRequest {
  model?: string;
  prompt?: string;
  negative_prompt?: string;
  sampler?: string;
  schedule?: string | null;
  steps?: number;
  guidance_scale?: number;
  width?: number | null;
  height?: number | null;
  seed?: Seed | null;
  count?: number;
  class?: string | null;
  strength?: number | null;
  mask_blur?: number | null;
  /** Pictures travel as `data:` addresses; in what the server tells of a request they are left out. */
  init?: string | null;
  mask?: string | null;
  upscale?: boolean;
  explain?: boolean;
  /** Pictures may have settings that the page has no field for. They are kept and sent again. */
  [other: string]: unknown;
}

export interface Picture {
  id: string;
  url: string;
  width: number;
  height: number;
  seed: Seed;
}

/** A picture of the gallery, which knows where it is from. */
export interface Kept extends Picture {
  prompt: string;
  model: string;
  created: number;
  job: string;
  request: GenerateRequest;
}

export type State = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  state: State;
  position: number;
  step: number;
  steps: number;
  sigma: number | null;
  created: number;
  started: number | null;
  ended: number | null;
  seconds?: number;
  request: GenerateRequest;
  pictures: Picture[];
  error?: string | null;
}

export interface Accepted {
  id: string;
  position: number;
  seed: Seed;
}

export interface Model {
  name: string;
  title: string;
  kind: "text" | "class" | "unconditional" | "upscale" | "inpainting";
  classes?: string[] | null;
  width: number | null;
  height: number | null;
  multiple: number;
  loaded: boolean;
  default: boolean;
  defaults: { steps: number; guidance_scale: number; sampler: string };
}

export interface Sampler {
  name: string;
  label: string;
  paper: string;
  one_line: string;
  stochastic: boolean;
}

export interface Schedule {
  name: string;
  one_line: string;
}

export interface Limits {
  pixels: number;
  steps: number;
  count: number;
  body_bytes: number;
  queue: number;
}

export interface StepEvent {
  picture: number;
  step: number;
  steps: number;
  sigma: number;
  preview: string | null;
  seconds_left?: number | null;
}

export interface Explanation {
  tokens: { text: string; id: number; weight: number }[];
  sigmas: number[];
  attention: { token: number; url: string }[];
}

/** Whether there is nothing more to wait for. */
export function ended(state: State): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}
